"""Forges for several platforms, of which this machine builds one."""

from __future__ import annotations

import json

import dagster as dg
import pytest
from small_forge import SmallForge

from orchestration.making import make, publish, published, quiet
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.orchestration.build_forge import Wanted
from wvforge_dagster.orchestration.code_location import forge_definitions
from wvforge_dagster.orchestration.dry_run import dry_run
from wvforge_dagster.orchestration.evidence import derive_statuses
from wvforge_dagster.orchestration.explain import explain
from wvforge_dagster.orchestration.keys import package_key, upload_key
from wvforge_dagster.orchestration.made import MakeFailed
from wvforge_dagster.orchestration.make import make_variant, test_variant
from wvforge_dagster.orchestration.plan import refuse_elsewhere, select
from wvforge_dagster.orchestration.rebuild_check import chosen_variants
from wvforge_dagster.orchestration.show import graph_lines, rows
from wvforge_dagster.settings import platform_of_machine

HERE = platform_of_machine()
THERE = "linux-aarch64" if HERE != "linux-aarch64" else "linux-64"

COMPILED = """
package: {name: lib, version: "1.0"}
build:
  variant: {use_keys: [python]}
  skip: ["target_platform == '%s' and match(python, '<3.12')"]
  script: "echo ${{ target_platform }} > $PREFIX/lib.txt"
requirements: {build: ["${{ compiler('c') if target_platform == '%s' }}"], run: [pure]}
about: {license: MIT}
tests: [{script: ["test -f $PREFIX/lib.txt"]}]
"""


def write(forge: SmallForge, *platforms: str) -> None:
    forge.write("variants.yaml", "python: ['3.11', '3.12']\n")
    forge.configure(channels=[], variants=["variants.yaml"], platforms=list(platforms))
    forge.recipe("lib", COMPILED % (THERE, THERE))
    forge.package("pure")


def test_a_further_platform_is_rendered_for_itself_planned_and_shown(small_forge: SmallForge) -> None:
    write(small_forge, HERE, THERE)
    forge = small_forge.open()
    statuses = derive_statuses(forge)
    assert {str(identity): status.state.value for identity, status in statuses.items()} == {
        "lib[3.11]": "missing",
        "lib[3.12]": "missing",
        f"{THERE}/lib[3.11]": "skipped",
        f"{THERE}/lib[3.12]": "elsewhere",
        "pure": "missing",
    }
    there = VariantId(f"{THERE}/lib", "3.12")
    assert statuses[there].reason.startswith(f"is built on a {THERE} machine, and this one is {HERE}; missing")
    assert forge.catalog.variants[there].outputs[0].requires("build") == {f"gcc_{THERE}"}
    skipped = statuses[VariantId(f"{THERE}/lib", "3.11")].reason
    assert skipped == f"skipped by the recipe: target_platform == '{THERE}' and match(python, '<3.12')"
    row = next(row for row in rows(statuses.values(), forge.class_of, HERE) if row["state"] == "elsewhere")
    assert (row["package"], row["platform"], row["filename"]) == (f"{THERE}/lib", THERE, None)
    assert {row["platform"] for row in rows(statuses.values(), forge.class_of, HERE)} == {HERE, THERE}
    assert f"  {THERE}/lib  [2 python]  <- pure (run)  ({THERE}: elsewhere)" in graph_lines(forge.catalog, HERE)
    assert f"    platform: {THERE}" in list(explain(forge, f"{THERE}/lib", "3.12"))


def test_what_cannot_be_built_here_is_never_attempted(small_forge: SmallForge) -> None:
    write(small_forge, HERE, THERE)
    forge = small_forge.open()
    lines = dry_run(forge, Wanted(select(forge.catalog, (), (), ()))).lines
    assert [line.split(": ")[1] for line in lines if line.startswith("would build")] == [
        "pure",
        "lib[3.11]",
        "lib[3.12]",
    ]
    assert any(line.startswith(f"elsewhere: {THERE}/lib[3.12]: is built on a {THERE} machine") for line in lines)
    there = VariantId(f"{THERE}/lib", "3.12")
    for attempt in (lambda: make_variant(forge, there, quiet, force=True), lambda: test_variant(forge, there, quiet)):
        with pytest.raises(MakeFailed, match=f"is built on a {THERE} machine"):
            attempt()
    for refuse in (
        lambda: refuse_elsewhere(forge, [f"{THERE}/lib"]),
        lambda: chosen_variants(forge, f"{THERE}/lib", "3.12"),
    ):
        with pytest.raises(ForgeError, match=f"is built on a {THERE} machine"):
            refuse()
    assert not (forge.output / "failures").exists()
    assert not (forge.output / "work").exists()


def test_dagster_shows_what_is_built_elsewhere_and_cannot_materialize_it(small_forge: SmallForge) -> None:
    write(small_forge, HERE, THERE)
    repository = forge_definitions(small_forge.open()).get_repository_def()
    graph = repository.asset_graph
    for key in (package_key(f"{THERE}/lib"), upload_key(f"{THERE}/lib")):
        assert not graph.get(key).is_executable
        assert graph.get(key).partitions_def == dg.StaticPartitionsDefinition(("3.11", "3.12"))
    node = graph.get(package_key(f"{THERE}/lib"))
    assert node.key.path == [THERE, "lib"]
    assert node.metadata["platform"] == THERE
    assert node.metadata["elsewhere"] == f"is built on a {THERE} machine, and this one is {HERE}"
    assert node.parent_keys == {package_key("pure")}
    assert graph.get(package_key("lib")).is_executable
    jobs = [job.name for job in repository.get_all_jobs()]
    assert "column_python" in jobs
    with dg.DagsterInstance.ephemeral() as instance:
        assert repository.get_job("column_python").execute_in_process(partition_key="3.12", instance=instance).success


def test_a_machine_of_a_further_platform_builds_its_own_and_leaves_noarch_to_the_first(small_forge: SmallForge) -> None:
    write(small_forge, THERE, HERE)
    small_forge.edit("lib", ", run: [pure]", "")
    small_forge.package("user", host=("pure",), more="")
    small_forge.edit("user", "  noarch: generic\n", "")
    states = small_forge.states()
    assert states["pure"] == "elsewhere"
    assert states[f"{HERE}/user"] == "blocked"
    assert states[f"{HERE}/lib[3.12]"] == "missing"
    made = make(small_forge, f"{HERE}/lib", "3.12")
    publish(small_forge, f"{HERE}/lib", "3.12")
    assert made.artifacts[0].subdir == HERE
    assert small_forge.states()[f"{HERE}/lib[3.12]"] == "published"
    assert small_forge.states()["lib[3.12]"] == "elsewhere"
    # The other machine, for which its own platform comes first, knows the file for its own.
    write(small_forge, HERE, THERE)
    small_forge.edit("lib", ", run: [pure]", "")
    assert small_forge.states()["lib[3.12]"] == "published"
    assert published(small_forge) == [made.artifacts[0].filename]


def test_remote_targets_are_asked_for_every_platform(small_forge: SmallForge) -> None:
    write(small_forge, HERE, THERE)
    settings = json.loads((small_forge.root / "forge.yaml").read_text(encoding="utf-8"))
    small_forge.configure(**settings, publish=[{"prefix": "wv-forge"}])
    ((_, channel),) = small_forge.open().targets
    assert channel._subdirs == ("noarch", HERE, THERE)  # type: ignore[attr-defined]
