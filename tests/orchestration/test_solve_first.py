"""What cannot be solved is told by name before anything is compiled."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_forge import SmallForge

from orchestration.making import make, make_and_publish, staged, why_not_made
from orchestration.upstream import Upstream
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.failure import FailureClass
from wvforge_dagster.orchestration.evidence import derive_statuses
from wvforge_dagster.orchestration.failures import read_failures
from wvforge_dagster.orchestration.plan import Plan, make_plan, select
from wvforge_dagster.orchestration.solve_first import needs_solving, solve_first


@pytest.fixture
def upstream(small_forge: SmallForge, tmp_path: Path) -> Upstream:
    """An upstream channel of the small forge."""
    made = Upstream(tmp_path / "upstream")
    small_forge.configure(channels=[made.setting], variants=[])
    return made


def solve(forge: SmallForge) -> tuple[Plan, dict[str, str]]:
    """Plan to build everything, and solve it: the plan that is left, and why the others cannot be solved."""
    opened = forge.open()
    statuses = derive_statuses(opened)
    everything = select(opened.catalog, (), (), ())
    plan = make_plan(opened.catalog, statuses, read_failures(opened), everything)
    left, unsolvable = solve_first(opened, plan, statuses)
    return left, {str(identity): reason for identity, reason in unsolvable.items()}


def never(forge: SmallForge) -> str:
    """A script that leaves a trace: nothing that runs it was refused before it was compiled."""
    return f"touch {forge.root}/compiled; mkdir -p $PREFIX/share; touch $PREFIX/share/x"


@pytest.mark.parametrize("section", ["build", "host"])
def test_what_is_missing_upstream_is_named_and_nothing_is_compiled(
    small_forge: SmallForge, upstream: Upstream, section: str
) -> None:
    upstream.add("there")
    small_forge.package("a", never(small_forge), more=f"requirements: {{{section}: [there, not-there >=3]}}\n")
    failed = why_not_made(small_forge, "a")
    assert failed.failure.failure_class is FailureClass.SOLVE
    assert failed.failure.reason.startswith(f"its {section} environment cannot be solved: ")
    assert "not-there >=3" in failed.failure.reason
    status = small_forge.status("a")
    assert (status.state.value, status.reason) == ("unsolvable", failed.failure.reason)
    assert not (small_forge.root / "compiled").exists()


def test_a_run_requirement_counts_where_there_are_tests_that_need_it(
    small_forge: SmallForge, upstream: Upstream
) -> None:
    small_forge.package("tested", never(small_forge), run=("not-there",), test="true")
    small_forge.package("untested", run=("not-there",))
    _, unsolvable = solve(small_forge)
    assert list(unsolvable) == ["tested"]
    assert unsolvable["tested"].startswith("its run environment cannot be solved: ")
    assert "not-there" in unsolvable["tested"]
    make(small_forge, "untested")
    assert small_forge.states() == {"tested": "unsolvable", "untested": "staged"}


def test_what_builds_against_packages_of_the_forge_is_solved_before_they_are_built(
    small_forge: SmallForge, upstream: Upstream
) -> None:
    small_forge.package("low", never(small_forge))
    small_forge.package("good", host=("low",))
    small_forge.package("bad", never(small_forge), host=("low", "not-there"))
    small_forge.package("above", host=("bad",))
    plan, unsolvable = solve(small_forge)
    assert list(unsolvable) == ["bad"]
    assert set(plan.reasons) == {VariantId(name) for name in ("low", "good", "above")}
    assert VariantId("bad") in plan.given_up, "so that what needs it is not tried"
    assert staged(small_forge) == []
    assert small_forge.states() == {"low": "missing", "good": "missing", "bad": "unsolvable", "above": "blocked"}
    assert "not-there" in small_forge.status("bad").reason
    assert not (small_forge.root / "compiled").exists()


def test_the_others_in_the_column_are_solved_by_the_first_that_is_built(
    small_forge: SmallForge, upstream: Upstream
) -> None:
    small_forge.package("low")
    small_forge.package("bad", never(small_forge), host=("low", "not-there"))
    small_forge.package("good", host=("low",))
    make_and_publish(small_forge, "low", "good")
    assert small_forge.states() == {"low": "published", "bad": "unsolvable", "good": "published"}
    assert not (small_forge.root / "compiled").exists()


def test_what_requires_another_version_of_a_package_than_the_forge_makes_is_unsolvable(
    small_forge: SmallForge, upstream: Upstream
) -> None:
    small_forge.package("low", version="1.4")
    small_forge.package("fits", host=("low >=1.2,<2",))
    small_forge.package("too-new", host=("low >=2",))
    _, unsolvable = solve(small_forge)
    assert list(unsolvable) == ["too-new"]
    assert "low >=2" in unsolvable["too-new"]


def test_packages_of_upstream_that_require_packages_of_the_forge_are_solvable(
    small_forge: SmallForge, upstream: Upstream
) -> None:
    upstream.add("theirs", run=("low >=1",))
    small_forge.package("low")
    small_forge.package("high", host=("theirs",))
    small_forge.package("higher", host=("low", "theirs"))
    plan, unsolvable = solve(small_forge)
    assert unsolvable == {}
    assert len(plan.reasons) == 3
    make_and_publish(small_forge, "low", "high", "higher")
    assert set(small_forge.states().values()) == {"published"}


def test_what_comes_along_with_a_package_of_the_forge_is_solved_too(
    small_forge: SmallForge, upstream: Upstream
) -> None:
    small_forge.package("low", run=("not-there",))
    small_forge.package("high", host=("low",))
    _, unsolvable = solve(small_forge)
    assert list(unsolvable) == ["high"]
    assert "not-there" in unsolvable["high"]


def test_outputs_of_one_recipe_need_one_another_and_are_solvable(small_forge: SmallForge, upstream: Upstream) -> None:
    upstream.add("theirs")
    small_forge.recipe(
        "m",
        """
        recipe: {name: m, version: "1"}
        build: {noarch: generic}
        outputs:
          - package: {name: m-lib}
            build: {script: "touch $PREFIX/lib"}
            requirements: {host: [theirs]}
          - package: {name: m-tool}
            build: {script: "touch $PREFIX/tool"}
            requirements: {host: [m-lib], run: ["${{ pin_subpackage('m-lib', exact=True) }}"]}
            tests: [{script: ["true"]}]
        """,
    )
    small_forge.package("high", host=("m-tool",))
    assert solve(small_forge)[1] == {}
    make_and_publish(small_forge, "m", "high")
    assert set(small_forge.states().values()) == {"published"}


IN_COLUMNS = """
package: {name: a, version: "1"}
build: {noarch: generic, script: "touch $PREFIX/${{ cuda_version }}", variant: {use_keys: [cuda_version]}}
requirements:
  host: [cuda-version]
  run: ["${{ pin_compatible('cuda-version', upper_bound='x.x') }}"]
tests: [{script: ["true"]}]
"""


def test_each_column_is_solved_with_its_own_values(small_forge: SmallForge, upstream: Upstream) -> None:
    small_forge.configure(channels=[upstream.setting])
    small_forge.write("variants.yaml", "cuda_version: ['13.0', '13.2']\n")
    small_forge.recipe("a", IN_COLUMNS)
    upstream.add("cuda-version", "13.0")
    _, unsolvable = solve(small_forge)
    assert list(unsolvable) == ["a[13.2]"]
    assert "cuda-version 13.2.*" in unsolvable["a[13.2]"]
    make(small_forge, "a", "13.0")
    assert small_forge.states() == {"a[13.0]": "staged", "a[13.2]": "unsolvable"}


def test_a_missing_package_that_appears_makes_it_buildable(small_forge: SmallForge, upstream: Upstream) -> None:
    small_forge.package("a", host=("late",))
    assert "late" in solve(small_forge)[1]["a"]
    assert small_forge.states() == {"a": "unsolvable"}
    upstream.add("late")
    plan, unsolvable = solve(small_forge)
    assert (list(plan.reasons), unsolvable) == ([VariantId("a")], {})
    assert small_forge.states() == {"a": "missing"}
    make_and_publish(small_forge, "a")
    assert small_forge.states() == {"a": "published"}


def test_a_recipe_that_does_without_what_is_missing_is_solved_anew(small_forge: SmallForge, upstream: Upstream) -> None:
    small_forge.package("low", host=("not-there",))
    small_forge.package("high", host=("low",))
    solve(small_forge)
    assert small_forge.states() == {"low": "unsolvable", "high": "blocked"}
    small_forge.package("low")
    assert small_forge.states() == {"low": "missing", "high": "missing"}
    make_and_publish(small_forge, "low", "high")
    assert small_forge.states() == {"low": "published", "high": "published"}


def test_what_was_solved_is_not_solved_again_until_it_changes(small_forge: SmallForge, upstream: Upstream) -> None:
    small_forge.package("a")
    assert needs_solving(small_forge.open(), small_forge.status("a"))
    solve(small_forge)
    assert not needs_solving(small_forge.open(), small_forge.status("a"))
    small_forge.edit("a", "echo a >", "echo b >")
    assert needs_solving(small_forge.open(), small_forge.status("a"))


def test_a_damaged_index_of_upstream_is_named_and_what_needs_nothing_is_built(small_forge: SmallForge) -> None:
    index = small_forge.write("upstream/noarch/repodata.json", '{"packages": {')
    small_forge.configure(channels=[{"file": "upstream"}], variants=[])
    small_forge.package("a", host=("x",))
    failure = why_not_made(small_forge, "a").failure
    assert f"a channel cannot be read ({index}): failed to parse repodata.json" in failure.reason
    assert small_forge.states() == {"a": "failed"}


def test_a_damaged_package_of_upstream_is_named_among_those_of_its_environment(
    small_forge: SmallForge, upstream: Upstream
) -> None:
    upstream.add("damaged")
    (package,) = (upstream.folder / "channel/noarch").glob("damaged-*.conda")
    package.write_bytes(b"garbage" * 100)
    small_forge.configure(channels=[upstream.setting], variants=[])
    small_forge.package("a", host=("damaged",))
    failure = why_not_made(small_forge, "a").failure
    assert failure.reason == (
        "a package of its environments is damaged in its channel and cannot be read: one of damaged"
    )
