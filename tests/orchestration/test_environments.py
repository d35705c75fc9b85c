"""What a build sees of the forge's own packages is what its record says."""

from __future__ import annotations

import pytest
from small_forge import SmallForge

from orchestration.making import make, quiet, staged
from orchestration.payloads import payload
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.state import State
from wvforge_dagster.orchestration.made import MakeFailed
from wvforge_dagster.orchestration.make import make_variant

COLUMNS = "cuda_version: ['13.0', '13.2']\n"
IN_COLUMNS = """
package: {{name: {name}, version: "1.0"}}
build:
  variant: {{use_keys: [cuda_version]}}
  script: ["mkdir -p $PREFIX/share", "{script} > $PREFIX/share/{name}.txt"]
requirements: {{host: [{host}], run: [{host}]}}
"""


def test_each_column_is_built_against_its_own_packages_though_others_satisfy_the_requirement(
    small_forge: SmallForge,
) -> None:
    small_forge.configure(channels=[])
    small_forge.write("variants.yaml", COLUMNS)
    small_forge.recipe("low", IN_COLUMNS.format(name="low", script="echo ${{ cuda_version }}", host=""))
    small_forge.recipe("high", IN_COLUMNS.format(name="high", script="cat $PREFIX/share/low.txt", host="low"))
    for package in ("low", "high"):
        for partition in ("13.0", "13.2"):
            make(small_forge, package, partition)
    assert [payload(small_forge, "high", partition) for partition in ("13.0", "13.2")] == ["13.0", "13.2"]


def test_what_comes_along_with_a_requirement_is_waited_for_and_is_an_input(small_forge: SmallForge) -> None:
    small_forge.package("deep", "mkdir -p $PREFIX/share\necho one > $PREFIX/share/deep.txt")
    small_forge.package("middle", run=("deep",))
    small_forge.package(
        "top", "mkdir -p $PREFIX/share\ncat $PREFIX/share/deep.txt > $PREFIX/share/top.txt", host=("middle",)
    )
    for package in ("deep", "middle", "top"):
        make(small_forge, package)
    small_forge.edit("deep", "echo one", "echo two")
    assert small_forge.states() == {"deep": "stale", "middle": "staged", "top": "waiting"}
    with pytest.raises(MakeFailed, match="deep is stale"):
        make(small_forge, "top")
    make(small_forge, "deep")
    assert small_forge.status("top").state is State.STALE
    make(small_forge, "top")
    assert payload(small_forge, "top") == "two"


def test_a_changed_export_makes_dependents_stale(small_forge: SmallForge) -> None:
    small_forge.package("low", more="requirements: {run_exports: [low]}\n")
    small_forge.package("high", host=("low",))
    make(small_forge, "low")
    make(small_forge, "high")
    small_forge.edit("low", "run_exports: [low]", "run_exports: ['low >=1']")
    make(small_forge, "low")
    assert small_forge.status("high").reason.startswith("low 1.0: content ")


def test_a_recipe_that_was_changed_after_it_was_read_is_not_built(small_forge: SmallForge) -> None:
    small_forge.package("a")
    opened = small_forge.open()
    small_forge.edit("a", "echo a", "echo b")
    with pytest.raises(MakeFailed, match="was changed after it was read"):
        make_variant(opened, VariantId("a"), quiet)
    assert staged(small_forge) == []


def test_a_package_without_a_target_is_staged_and_that_is_all(small_forge: SmallForge) -> None:
    small_forge.configure(channels=[], variants=[], publish=[])
    small_forge.package("a")
    make(small_forge, "a")
    status = small_forge.status("a")
    assert (status.state, status.reason) == (State.STAGED, "it goes to no publish target")
