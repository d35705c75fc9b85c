"""The nightly run: what upstream's changes make necessary, and what they do not."""

from __future__ import annotations

from pathlib import Path

import pytest
from git_repository import GitRepository
from small_forge import SmallForge

from orchestration.making import make_and_publish, publish, published, quiet, staged, why_not_made
from orchestration.upstream import Upstream
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.orchestration.code_location import forge_definitions
from wvforge_dagster.orchestration.instance import open_quiet_instance
from wvforge_dagster.orchestration.made import Made
from wvforge_dagster.orchestration.make import make_variant
from wvforge_dagster.orchestration.nightly import Night, look, wanted_tonight


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Upstream:
    """A channel of a library, which pins what builds against it, and a header without pins."""
    made = Upstream(tmp_path_factory.mktemp("original"))
    made.add("library", "1.0", exports=["library >=1.0,<2"])
    made.add("header", "1.0")
    return made


@pytest.fixture
def upstream(original: Upstream, small_forge: SmallForge, tmp_path: Path) -> Upstream:
    """A copy of that channel, which the small forge builds against."""
    made = original.copy(tmp_path / "upstream")
    configure(small_forge, made)
    return made


def configure(forge: SmallForge, upstream: Upstream, *rebuild_on: str) -> None:
    policy = {"rebuild-on": list(rebuild_on)} if rebuild_on else {}
    forge.configure(channels=[upstream.setting], variants=[], **policy)


def tonight(forge: SmallForge) -> Night:
    night = look(forge.open())
    assert not night.warnings, night.warnings
    return night


def carry_out(forge: SmallForge, night: Night) -> dict[str, str]:
    """Build what the night asks for, as it is asked; what came of each."""
    wanted = wanted_tonight(forge.open(), night, jobs=1)
    assert wanted.force == night.rebuild
    made: dict[str, Made] = {}
    for identity in wanted.selected:
        if identity in night.rebuild or identity in night.to_make:
            why, force = night.rebuild.get(identity, ""), identity in night.rebuild
            made[str(identity)] = make_variant(forge.open(), identity, quiet, force=force, why=why)
            publish(forge, identity.package, identity.partition)
    return {name: item.outcome for name, item in made.items()}


A = VariantId("a")
NOTHING = Night({}, {A: ()}, {})


def test_when_nothing_changed_nothing_is_rebuilt(small_forge: SmallForge, upstream: Upstream) -> None:
    small_forge.package("a", host=("library", "header"))
    make_and_publish(small_forge, "a")
    night = tonight(small_forge)
    assert night == NOTHING
    assert list(night.lines()) == ["no change a: its environments were solved anew, with no change"]
    assert carry_out(small_forge, night) == {}


def test_a_newer_host_package_that_is_still_allowed_is_no_change_that_matters(
    small_forge: SmallForge, upstream: Upstream
) -> None:
    small_forge.package("a", host=("library", "header"))
    make_and_publish(small_forge, "a")
    upstream.add("library", "1.5", exports=["library >=1.5,<2"])
    upstream.add("header", "7.0")
    night = tonight(small_forge)
    assert (night.rebuild, night.to_make) == ({}, {})
    assert [str(item) for item in night.unchanged[A]] == [
        f"host header: 1.0 {BUILD} -> 7.0 {BUILD}",
        f"host library: 1.0 {BUILD} -> 1.5 {BUILD}",
    ]
    assert list(night.lines()) == [
        "no change a: its environments were solved anew, with no change that matters (2 packages of its environments differ)"
    ]


BUILD = "h4616a5c_0"


def test_with_the_policy_host_every_newer_host_package_is_a_reason(small_forge: SmallForge, upstream: Upstream) -> None:
    configure(small_forge, upstream, "host")
    small_forge.package("a", host=("header",))
    make_and_publish(small_forge, "a")
    assert tonight(small_forge) == NOTHING
    upstream.add("header", "1.1")
    night = tonight(small_forge)
    assert night.rebuild == {A: f"host header: 1.0 {BUILD} -> 1.1 {BUILD}"}
    assert carry_out(small_forge, night)["a"].startswith("built, and came out equal to a-1.0-")
    assert tonight(small_forge) == NOTHING, "what was found out by a build that came out equal is kept"
    assert len(published(small_forge)) == 1


# No noarch package: those take no run exports of this kind.
LINKED = """
package: {name: a, version: "1.0"}
build: {script: "mkdir -p $PREFIX/share; touch $PREFIX/share/a"}
requirements: {host: [library]}
"""


@pytest.mark.integration
def test_a_host_package_that_a_run_export_does_not_allow_any_more_is_a_reason(
    small_forge: SmallForge, upstream: Upstream
) -> None:
    small_forge.recipe("a", LINKED)
    small_forge.package("b", host=("a",))
    make_and_publish(small_forge, "a", "b")
    upstream.add("library", "2.0", exports=["library >=2.0,<3"])
    night = tonight(small_forge)
    assert night.rebuild == {A: f"host library: 1.0 {BUILD} -> 2.0 {BUILD}"}
    assert carry_out(small_forge, night) == {"a": "built"}
    assert len(published(small_forge)) == 3
    assert small_forge.status("b").state.value == "stale", "it builds against another a now"
    night = tonight(small_forge)
    assert (night.rebuild, list(night.to_make)) == ({}, [VariantId("b")])
    carry_out(small_forge, night)
    assert set(small_forge.states().values()) == {"published"}
    assert (tonight(small_forge).rebuild, tonight(small_forge).to_make) == ({}, {})


PINNED = """
package: {name: a, version: "1.0"}
build: {noarch: generic, script: "mkdir -p $PREFIX/share; touch $PREFIX/share/a"}
requirements:
  host: [header]
  run: ["${{ pin_compatible('header', upper_bound='x.x') }}"]
"""


def test_a_host_package_that_a_pin_does_not_allow_any_more_is_a_reason(
    small_forge: SmallForge, upstream: Upstream
) -> None:
    small_forge.recipe("a", PINNED)
    make_and_publish(small_forge, "a")
    upstream.add("header", "1.0.7")
    assert tonight(small_forge).rebuild == {}
    upstream.add("header", "1.1")
    night = tonight(small_forge)
    assert list(night.rebuild) == [A]
    assert carry_out(small_forge, night) == {"a": "built"}
    night = tonight(small_forge)
    assert night == NOTHING


@pytest.mark.integration
def test_build_tools_count_where_the_policy_names_them(small_forge: SmallForge, upstream: Upstream) -> None:
    upstream.add("tool", "1.0")
    small_forge.package("a", more="requirements: {build: [tool]}\n")
    make_and_publish(small_forge, "a")
    upstream.add("tool", "1.1")
    assert tonight(small_forge).rebuild == {}
    configure(small_forge, upstream, "build")
    assert list(tonight(small_forge).rebuild) == [A]


def test_what_came_out_equal_from_other_requirements_is_compared_with_what_it_was_built_in_last(
    small_forge: SmallForge, upstream: Upstream
) -> None:
    configure(small_forge, upstream, "host")
    upstream.add("header", "2.0")
    small_forge.package("a", host=("header ==1.0",))
    make_and_publish(small_forge, "a")
    small_forge.edit("a", "header ==1.0", "header")
    night = tonight(small_forge)
    assert (night.rebuild, list(night.to_make)) == ({}, [A])
    assert carry_out(small_forge, night)["a"].startswith("built, and came out equal")
    assert tonight(small_forge) == NOTHING


IN_COLUMNS = """
package: {{name: {name}, version: "1.0"}}
build:
  variant: {{use_keys: [cuda_version]}}
  script: ["mkdir -p $PREFIX/share", "touch $PREFIX/share/{name}.txt"]
requirements: {requirements}
"""


@pytest.mark.integration
def test_each_column_is_solved_against_its_own_packages(small_forge: SmallForge, upstream: Upstream) -> None:
    small_forge.configure(channels=[upstream.setting], **{"rebuild-on": ["host"]})
    small_forge.write("variants.yaml", "cuda_version: ['13.0', '13.2']\n")
    for cuda in ("13.0", "13.2"):
        upstream.add("toolkit", cuda)
    run = '{run: ["toolkit ==${{ cuda_version }}"]}'
    small_forge.recipe("low", IN_COLUMNS.format(name="low", requirements=run))
    small_forge.recipe("high", IN_COLUMNS.format(name="high", requirements="{host: [low]}"))
    for package in ("low", "high"):
        for partition in ("13.0", "13.2"):
            make_variant(small_forge.open(), VariantId(package, partition), quiet)
            publish(small_forge, package, partition)
    night = tonight(small_forge)
    assert (night.rebuild, night.to_make) == ({}, {})
    assert all(not found for found in night.unchanged.values())


def test_what_the_forge_makes_itself_is_no_difference(small_forge: SmallForge, upstream: Upstream) -> None:
    configure(small_forge, upstream, "host")
    small_forge.package("low")
    small_forge.package("high", host=("low",))
    make_and_publish(small_forge, "low", "high")
    small_forge.edit("low", "echo low >", "echo new >")
    make_and_publish(small_forge, "low")
    night = tonight(small_forge)
    assert (night.rebuild, list(night.to_make)) == ({}, [VariantId("high")])


def test_an_upstream_package_that_appears_makes_what_was_unsolvable_buildable(
    small_forge: SmallForge, upstream: Upstream
) -> None:
    small_forge.package("a", host=("late",))
    small_forge.package("b", host=("a",))
    why_not_made(small_forge, "a")
    assert small_forge.states() == {"a": "unsolvable", "b": "blocked"}
    upstream.add("late")
    night = tonight(small_forge)
    assert list(night.to_make) == [A, VariantId("b")]
    assert carry_out(small_forge, night) == {"a": "built", "b": "built"}
    assert small_forge.states() == {"a": "published", "b": "published"}


def test_what_failed_by_its_own_fault_is_left_until_it_is_mended(small_forge: SmallForge, upstream: Upstream) -> None:
    small_forge.package("a", "false")
    why_not_made(small_forge, "a")
    assert tonight(small_forge) == Night({}, {}, {})
    small_forge.package("a")
    assert list(tonight(small_forge).to_make) == [A]


def test_an_environment_that_cannot_be_solved_any_more_is_told_and_the_package_left(
    small_forge: SmallForge, upstream: Upstream, tmp_path: Path
) -> None:
    small_forge.package("a", host=("header",))
    make_and_publish(small_forge, "a")
    configure(small_forge, Upstream(tmp_path / "other"))
    night = look(small_forge.open())
    assert (night.rebuild, night.to_make) == ({}, {})
    (warning,) = night.warnings
    assert warning.startswith("a: its host environment cannot be solved any more: ")
    assert "header" in warning


def test_a_branch_that_moved_on_is_made_at_night(small_forge: SmallForge, upstream: Upstream, tmp_path: Path) -> None:
    source = GitRepository(tmp_path / "source")
    source.commit(word="one")
    small_forge.package("a", "cp word $PREFIX/word", more=f"source: {{git: {source.url}, branch: main}}\n")
    make_and_publish(small_forge, "a")
    assert tonight(small_forge) == NOTHING
    source.commit(word="two")
    night = tonight(small_forge)
    assert night.to_make[A].startswith(f"source {source.url}@refs/heads/main: commit ")
    assert carry_out(small_forge, night) == {"a": "built"}
    assert tonight(small_forge) == NOTHING


def test_a_night_builds_nothing_by_itself(small_forge: SmallForge, upstream: Upstream) -> None:
    small_forge.recipe("a", LINKED)
    make_and_publish(small_forge, "a")
    upstream.add("library", "2.0")
    before = staged(small_forge)
    assert list(tonight(small_forge).rebuild) == [A]
    assert staged(small_forge) == before
    assert small_forge.states() == {"a": "published"}


@pytest.mark.integration
def test_the_nightly_job_of_dagster_does_the_same_and_says_so(small_forge: SmallForge, upstream: Upstream) -> None:
    small_forge.package("a", host=("header",))
    make_and_publish(small_forge, "a")
    upstream.add("header", "1.1")
    forge = small_forge.open()
    job = forge_definitions(forge).get_repository_def().get_job("nightly")
    with open_quiet_instance(forge) as instance:
        result = job.execute_in_process(instance=instance)
        lines = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert result.success
    assert any(line.startswith("no change a: its environments were solved anew, with no change that") for line in lines)
    assert small_forge.states() == {"a": "published"}
