"""The jobs that Dagster offers, executed."""

from __future__ import annotations

import dagster as dg
from dagster._core.definitions.utils import DISALLOWED_NAMES
from small_forge import SmallForge

from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.orchestration.code_location import forge_definitions
from wvforge_dagster.orchestration.evidence import derive_statuses
from wvforge_dagster.orchestration.keys import package_key, upload_key

IN_COLUMNS = """
package: {name: mid, version: "1.0"}
build:
  variant: {use_keys: [cuda_version, python]}
  script: ["mkdir -p $PREFIX/share", "cat $PREFIX/share/low.txt > $PREFIX/share/mid.txt"]
requirements: {host: [low], run: [low]}
tests: [{script: ["test -f $PREFIX/share/mid.txt"]}]
"""


def test_the_column_job_builds_one_column_and_the_packages_without_variants_below_it(small_forge: SmallForge) -> None:
    small_forge.configure(channels=[])
    small_forge.write("variants.yaml", "cuda_version: ['13.0', '13.2']\npython: ['3.12']\n")
    small_forge.package("low")
    small_forge.recipe("mid", IN_COLUMNS)
    small_forge.package("top", run=("mid",))
    forge = small_forge.open()
    job = forge_definitions(forge).get_repository_def().get_job("column")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(partition_key="13.2|3.12", instance=instance, raise_on_error=False)
        assert result.success
        assert instance.get_materialized_partitions(package_key("mid")) == {"13.2|3.12"}
        checks = result.get_asset_check_evaluations()
    tests = [(check.check_name, check.passed) for check in checks if check.check_name != "package_checks"]
    assert tests == [("script", True)]
    states = {identity: status.state.value for identity, status in derive_statuses(forge).items()}
    assert states == {
        VariantId("low"): "published",
        VariantId("mid", "13.0|3.12"): "missing",
        VariantId("mid", "13.2|3.12"): "published",
        VariantId("top"): "missing",
    }


def test_a_run_that_builds_nothing_claims_no_test_as_passed(small_forge: SmallForge) -> None:
    small_forge.package("a", test="test -f $PREFIX/share/a.txt")
    job = forge_definitions(small_forge.open()).get_repository_def().get_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        first, second = (job.execute_in_process(instance=instance) for _ in range(2))
    assert {check.check_name: check.passed for check in first.get_asset_check_evaluations()}["script"]
    assert second.success
    assert second.get_asset_check_evaluations() == []
    assert len(second.get_asset_materialization_events()) == 2, "its upload is confirmed all the same"


def test_packages_named_like_words_of_python_and_dagster_are_built_like_others(small_forge: SmallForge) -> None:
    for name in sorted(DISALLOWED_NAMES):
        small_forge.package(name.lower())
    small_forge.package("int", test="true")
    small_forge.package("in", run=("int",), test="test -f $PREFIX/share/int.txt")
    small_forge.package("a.b")
    small_forge.package("a-b")
    small_forge.package("both", host=("a.b", "a-b"))
    small_forge.recipe("ünï cödé", "package: 5")
    forge = small_forge.open()
    repository = forge_definitions(forge).get_repository_def()
    both = repository.asset_graph.get(package_key("both"))
    assert both.parent_keys == {package_key("a.b"), package_key("a-b")}
    keys = [key(name) for name in ("int", "in") for key in (package_key, upload_key)]
    with dg.DagsterInstance.ephemeral() as instance:
        job = repository.get_implicit_job_def_for_assets(keys)
        assert job is not None
        result = job.execute_in_process(instance=instance, asset_selection=keys)
        assert {event.asset_key for event in result.get_asset_materialization_events()} == set(keys)
    states = {identity.package: status.state.value for identity, status in derive_statuses(forge).items()}
    assert (states["int"], states["in"]) == ("published", "published")
    assert "ünï cödé" in states
