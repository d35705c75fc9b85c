from __future__ import annotations

import pytest

from wvforge_dagster.core.locked import Difference, Locked, differences, that_matter

OLD, NEW = Locked("1.0", "h_0", "1" * 64), Locked("2.0", "h_0", "2" * 64)
REBUILT = Locked("1.0", "h_0", "3" * 64)


def test_what_is_the_same_makes_no_difference() -> None:
    assert differences("host", {"zlib": OLD}, {"zlib": OLD}, without=set()) == ()


def test_a_new_version_a_new_file_a_package_more_and_one_less_are_differences() -> None:
    old, new = {"a": OLD, "b": OLD, "gone": OLD}, {"a": NEW, "b": REBUILT, "more": NEW}
    assert differences("host", old, new, without=set()) == (
        Difference("host", "a", OLD, NEW),
        Difference("host", "b", OLD, REBUILT),
        Difference("host", "gone", OLD, None),
        Difference("host", "more", None, NEW),
    )


def test_packages_of_the_forge_are_compared_elsewhere() -> None:
    assert differences("host", {"mine": OLD}, {"mine": NEW}, without={"mine"}) == ()


CHANGES = (
    Difference("host", "fits", OLD, NEW),
    Difference("host", "pinned", OLD, NEW),
    Difference("host", "gone", OLD, None),
    Difference("build", "pinned", OLD, NEW),
)


@pytest.mark.parametrize(
    ("policy", "matter"),
    [
        ({"pinned"}, ["host pinned"]),
        ({"host"}, ["host fits", "host pinned", "host gone"]),
        ({"build"}, ["build pinned"]),
        ({"pinned", "build"}, ["host pinned", "build pinned"]),
        ({"engine"}, []),
        (set(), []),
    ],
)
def test_what_matters_is_what_the_policy_names(policy: set[str], matter: list[str]) -> None:
    found = that_matter(CHANGES, policy, lambda name, package: name != "pinned")
    assert [f"{item.section} {item.name}" for item in found] == matter


def test_a_difference_is_shown_with_both_versions() -> None:
    assert str(CHANGES[0]) == "host fits: 1.0 h_0 -> 2.0 h_0"
    assert str(CHANGES[2]) == "host gone: 1.0 h_0 -> none"
