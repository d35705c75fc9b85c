"""Changed tests run on the package that is there: by a build, and by a run of the checks alone."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest
from small_forge import SmallForge

from orchestration.making import make, make_and_publish, publish, reaching_out, staged, why_not_made
from wvforge_dagster.build.builder import TestOutcome as Outcome
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.failure import FailureClass
from wvforge_dagster.orchestration.code_location import forge_definitions
from wvforge_dagster.orchestration.evidence import derive_statuses
from wvforge_dagster.orchestration.keys import package_key

CHECKED = """
package: {name: a, version: "1.0"}
build: {noarch: generic, script: "mkdir -p $PREFIX/share; echo a > $PREFIX/share/a.txt"}
tests:
  - script: ["sh check.sh"]
    files: {recipe: [check.sh]}
  - script: ["true"]
"""
OUTPUTS = """
recipe: {name: m, version: "1"}
build: {noarch: generic}
outputs:
  - package: {name: m-lib}
    build: {script: "mkdir -p $PREFIX/share; echo lib > $PREFIX/share/lib"}
    tests: [{script: ["grep lib $PREFIX/share/lib"]}]
  - package: {name: m-tool}
    build: {script: "mkdir -p $PREFIX/share; echo tool > $PREFIX/share/tool"}
    requirements: {run: [m-lib]}
    tests: [{script: ["grep tool $PREFIX/share/tool"]}]
"""
IN_COLUMNS = """
package: {name: a, version: "1.0"}
build:
  variant: {use_keys: [cuda_version]}
  script: ["mkdir -p $PREFIX/share", "echo ${{ cuda_version }} > $PREFIX/share/a.txt"]
tests: [{script: ["grep ${{ cuda_version }} $PREFIX/share/a.txt"]}]
"""


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


def passed(tests: tuple[tuple[str, Outcome], ...]) -> list[bool]:
    return [outcome.failure is None for _, outcome in tests]


def test_a_changed_file_of_a_test_builds_the_package_anew(small_forge: SmallForge) -> None:
    small_forge.write("pkgs/a/recipe/check.sh", "test -f $PREFIX/share/a.txt\n")
    small_forge.recipe("a", CHECKED)
    make_and_publish(small_forge, "a")
    small_forge.write("pkgs/a/recipe/check.sh", "false\n")
    status = small_forge.status("a")
    assert (status.state.value, status.reason, status.tests_only) == ("stale", "check.sh: content", False)
    failed = why_not_made(small_forge, "a")
    assert (failed.failure.failure_class, passed(failed.tests)) == (FailureClass.TEST, [False, True])


def test_a_changed_test_with_files_runs_on_the_same_package_and_nothing_waits_for_it(small_forge: SmallForge) -> None:
    small_forge.write("pkgs/a/recipe/check.sh", "test -f $PREFIX/share/a.txt\n")
    small_forge.recipe("a", CHECKED)
    small_forge.package("b", host=("a",))
    make_and_publish(small_forge, "a", "b")
    before = staged(small_forge)
    small_forge.edit("a", "sh check.sh", "sh -e check.sh")
    assert small_forge.states() == {"a": "stale", "b": "published"}
    assert small_forge.status("a").reason.startswith("tests only, on the same file: tests")
    made = make(small_forge, "a")
    assert (made.outcome, passed(made.tests)) == ("tested", [True, True])
    publish(small_forge, "a")
    assert small_forge.states() == {"a": "published", "b": "published"}
    assert staged(small_forge) == before
    assert make(small_forge, "a").ran is False


def test_a_changed_test_that_fails_is_a_failure_until_it_is_changed_again(small_forge: SmallForge) -> None:
    small_forge.package("a", test="test -f $PREFIX/share/a.txt")
    make_and_publish(small_forge, "a")
    before = staged(small_forge)
    small_forge.package("a", test="cat absent")
    failed = why_not_made(small_forge, "a")
    assert failed.failure.failure_class is FailureClass.TEST
    assert "test script failed at `cat absent`" in failed.failure.reason
    assert (small_forge.states(), staged(small_forge)) == ({"a": "failed"}, before)
    small_forge.package("a", test="test -f $PREFIX/share/a.txt")
    assert small_forge.states() == {"a": "published"}


@pytest.mark.integration
def test_a_recipe_in_the_forges_own_folder_is_tested_again(small_forge: SmallForge) -> None:
    small_forge.configure(channels=[], variants=[], recipes=["recipe.yaml"])
    small_forge.write("check.sh", "test -f $PREFIX/share/a.txt\n")
    small_forge.write("recipe.yaml", CHECKED)
    (name,) = small_forge.states()
    make_and_publish(small_forge, name)
    small_forge.write("recipe.yaml", CHECKED.replace("sh check.sh", "sh -e check.sh"))
    assert small_forge.status(name).tests_only
    assert make(small_forge, name).outcome == "tested"


@pytest.mark.integration
def test_of_several_outputs_each_is_tested_with_the_others_as_they_are(small_forge: SmallForge) -> None:
    small_forge.recipe("m", OUTPUTS)
    make_and_publish(small_forge, "m")
    before = staged(small_forge)
    small_forge.edit("m", "grep tool $PREFIX/share/tool", "cat $PREFIX/share/tool $PREFIX/share/lib")
    assert small_forge.status("m").tests_only
    made = make(small_forge, "m")
    assert [(name, outcome.failure) for name, outcome in made.tests] == [("m-lib", None), ("m-tool", None)]
    assert (small_forge.states(), staged(small_forge)) == ({"m": "published"}, before)


def test_a_test_that_runs_with_a_changed_package_runs_again_with_that_one(small_forge: SmallForge) -> None:
    small_forge.package("low")
    small_forge.package("top", run=("low",), test="grep low $PREFIX/share/low.txt")
    make_and_publish(small_forge, "low", "top")
    small_forge.edit("low", "echo low", "echo other")
    assert small_forge.states() == {"low": "stale", "top": "published"}
    make_and_publish(small_forge, "low")
    assert small_forge.status("top").tests_only
    assert why_not_made(small_forge, "top").failure.failure_class is FailureClass.TEST
    assert small_forge.states() == {"low": "published", "top": "failed"}


def run_checks(
    forge: SmallForge, instance: dg.DagsterInstance, package: str, partition: str | None = None
) -> dg.ExecuteInProcessResult:
    """A run of the checks of a package, and of nothing else."""
    assets = forge_definitions(forge.open()).get_repository_def().assets_defs_by_key
    checks = dg.AssetSelection.checks_for_assets(package_key(package))
    found = [assets[package_key(package)]]
    # `partition_key` is refused where no asset is selected; the page of a check gives the tag.
    tags = {"dagster/partition": partition} if partition else {}
    return dg.materialize(found, selection=checks, instance=instance, tags=tags, raise_on_error=False)


def shown(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    """The outcomes of the recipe's tests; the package checks are not of interest here."""
    found = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
    return {name: passed for name, passed in found.items() if name != "package_checks"}


def test_the_checks_alone_report_the_tests_of_the_package_that_is_there(
    small_forge: SmallForge, instance: dg.DagsterInstance
) -> None:
    small_forge.write("pkgs/a/recipe/check.sh", "test -f $PREFIX/share/a.txt\n")
    small_forge.recipe("a", CHECKED)
    make_and_publish(small_forge, "a")
    before = staged(small_forge)
    result = run_checks(small_forge, instance, "a")
    assert result.success
    assert shown(result) == {"script": True, "script_2": True}
    assert result.get_asset_materialization_events() == []
    assert staged(small_forge) == before


def test_checks_alone_that_pass_after_a_change_bring_the_package_up_to_date(
    small_forge: SmallForge, instance: dg.DagsterInstance
) -> None:
    small_forge.package("a", test="true")
    make_and_publish(small_forge, "a")
    small_forge.package("a", test="test -f $PREFIX/share/a.txt")
    assert small_forge.states() == {"a": "stale"}
    assert shown(run_checks(small_forge, instance, "a")) == {"script": True}
    assert small_forge.states() == {"a": "published"}


def test_checks_alone_that_fail_are_reported_and_fail_the_run(
    small_forge: SmallForge, instance: dg.DagsterInstance
) -> None:
    small_forge.package("a", test="true")
    make_and_publish(small_forge, "a")
    small_forge.package("a", test="cat absent")
    result = run_checks(small_forge, instance, "a")
    assert not result.success
    assert shown(result) == {"script": False}
    (check,) = result.get_asset_check_evaluations()
    assert "test script failed at `cat absent`" in (check.description or "")
    assert small_forge.states() == {"a": "failed"}
    small_forge.package("a", test="true")
    assert small_forge.states() == {"a": "published"}


def test_checks_that_fail_on_a_package_that_is_up_to_date_leave_it_so(
    small_forge: SmallForge, instance: dg.DagsterInstance
) -> None:
    reaching_out(small_forge)
    gone = small_forge.root / "there"
    gone.touch()
    small_forge.package("a", test=f"test -f {gone}")
    make_and_publish(small_forge, "a")
    gone.unlink()
    assert shown(run_checks(small_forge, instance, "a")) == {"script": False}
    assert small_forge.states() == {"a": "published"}
    gone.touch()
    assert shown(run_checks(small_forge, instance, "a")) == {"script": True}
    assert small_forge.states() == {"a": "published"}


def test_checks_of_a_package_that_was_never_built_say_so(small_forge: SmallForge, instance: dg.DagsterInstance) -> None:
    small_forge.package("a", test="true")
    result = run_checks(small_forge, instance, "a")
    assert not result.success
    assert shown(result) == {}
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    described = failure.step_failure_data.user_failure_data
    assert described is not None
    assert described.description == "there is nothing to test: it is missing (never built)"


@pytest.mark.integration
def test_checks_of_one_column_test_the_package_of_that_column(
    small_forge: SmallForge, instance: dg.DagsterInstance
) -> None:
    small_forge.configure(channels=[])
    small_forge.write("variants.yaml", "cuda_version: ['13.0', '13.2']\n")
    small_forge.recipe("a", IN_COLUMNS)
    for partition in ("13.0", "13.2"):
        make(small_forge, "a", partition)
        publish(small_forge, "a", partition)
    result = run_checks(small_forge, instance, "a", "13.2")
    assert shown(result) == {"script": True}
    assert {check.partition for check in result.get_asset_check_evaluations()} == {"13.2"}
    small_forge.edit("a", "grep ${{ cuda_version }}", "grep 13.0")
    assert [shown(run_checks(small_forge, instance, "a", key)) for key in ("13.0", "13.2")] == [
        {"script": True},
        {"script": False},
    ]
    statuses = derive_statuses(small_forge.open())
    assert statuses[VariantId("a", "13.0")].state.value == "published"
