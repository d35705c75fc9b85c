"""Which builds of a channel go. A spec is ``NAME`` or ``NAME NUMBER`` here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wvforge_dagster.core.retention import FOREIGN, Build, Retention, retain


def build(name: str, number: int, *depends: str, column: str = "", current: bool = False) -> Build:
    return Build(
        subdir="noarch",
        filename=f"{name}-{column}-{number}",
        name=name,
        series=(name, column),
        order=number,
        depends=depends,
        column={"cuda": column} if column else {},
        current=current,
    )


def kept(keep: int, *builds: Build, **elsewhere: Sequence[Build]) -> Retention:
    def fulfils(spec: str, other: Build) -> bool:
        name, _, number = spec.rpartition("::")[2].partition(" ")
        return other.name == name and number in ("", str(other.order))

    return retain(builds, keep, fulfils, elsewhere)


def gone(found: Retention) -> list[str]:
    return [build.filename for build in found.goes]


def test_the_newest_builds_of_each_package_variant_stay() -> None:
    builds = [build("a", number, column=column) for number in range(4) for column in ("12.6", "12.8")]
    assert sorted(gone(kept(3, *builds))) == ["a-12.6-0", "a-12.8-0"]
    assert gone(kept(1, *builds[::2])) == ["a-12.6-0", "a-12.6-1", "a-12.6-2"], "the oldest first"
    assert gone(kept(9, *builds)) == []


def test_what_a_package_variant_is_up_to_date_with_stays_however_old_it_is() -> None:
    found = kept(1, build("a", 0, current=True), build("a", 1), build("a", 2))
    assert gone(found) == ["a--1"]


def test_what_the_forge_did_not_make_stays() -> None:
    foreign = replace(build("a", 0), series=None)
    found = kept(1, foreign, build("a", 1))
    assert (gone(found), found.stays[foreign]) == ([], FOREIGN)


def test_what_a_staying_build_depends_on_stays_and_what_that_depends_on() -> None:
    builds = [build("a", 0), build("a", 1), build("a", 2), build("b", 0, "a 0"), build("b", 1), build("top", 0, "b 0")]
    found = kept(1, *builds)
    assert gone(found) == ["a--1"]
    assert found.stays[builds[3]] == "top--0 depends on it (b 0)"
    assert found.stays[builds[0]] == "b--0 depends on it (a 0)"


def test_a_dependency_that_a_staying_build_fulfils_takes_no_older_one_along() -> None:
    assert gone(kept(1, build("a", 0), build("a", 1), build("top", 0, "a"))) == ["a--0"]
    assert gone(kept(1, build("a", 0), build("a", 1), build("top", 0, "elsewhere"))) == ["a--0"]


def test_a_build_of_another_column_fulfils_nothing() -> None:
    old, new = build("a", 5, column="12.6"), build("a", 6, column="12.6")
    other = build("a", 5, column="12.8")
    assert gone(kept(1, old, new, other, build("top", 0, "a 5", column="12.6"))) == []
    assert gone(kept(1, old, new, other, build("top", 0, "a 5", column="12.8"))) == ["a-12.6-5"]


def test_what_a_foreign_package_depends_on_stays() -> None:
    foreign = replace(build("x", 0, "a 0"), series=None)
    assert gone(kept(1, build("a", 0), build("a", 1), foreign)) == []


def test_a_dependency_that_names_its_channel_stays() -> None:
    for spec in ("chan::a 0", "https://a.example/chan/noarch::a 0"):
        assert gone(kept(1, build("a", 0), build("a", 1), build("top", 0, spec))) == []


def test_what_a_package_of_another_channel_depends_on_stays_with_what_that_depends_on() -> None:
    builds = [build("low", 0), build("low", 1), build("a", 0, "low 0"), build("a", 1)]
    found = kept(1, *builds, B=[build("top", 0, "a 0")], C=[])
    assert gone(found) == []
    assert found.stays[builds[2]] == "top--0 in B depends on it (a 0)"
    assert found.stays[builds[0]] == "a--0 depends on it (low 0)"


def test_what_another_channel_has_itself_stays_nowhere_else() -> None:
    assert gone(kept(1, build("a", 0), build("a", 1), B=[build("a", 0), build("top", 0, "a 0")])) == ["a--0"]
    assert gone(kept(1, build("a", 0), build("a", 1), B=[build("a", 0)], C=[build("top", 0, "a 0")])) == []
