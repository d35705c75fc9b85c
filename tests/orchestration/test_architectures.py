"""What forge.yaml declares of CUDA architectures: recipes get it, packages are compared with it, and with each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from build.fat_libraries import PTX, SASS, make_fat_library
from small_forge import SmallForge

from orchestration.making import make, quiet, staged
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.device_code import DeviceCode
from wvforge_dagster.orchestration.gate import device_code_of, findings_of
from wvforge_dagster.orchestration.made import MakeFailed
from wvforge_dagster.orchestration.make import make_variant

RECIPE = """
package: {{name: {name}, version: "1.0"}}
source: {{path: code.so}}
build:
  variant: {{use_keys: [cuda_version]}}
  dynamic_linking: {{binary_relocation: false}}
  script: ["mkdir -p $PREFIX/lib", "cp code.so $PREFIX/lib/{name}.so"]
requirements: {{host: {host}, run: {host}}}
about: {{license: MIT}}
"""


@pytest.fixture
def forge(small_forge: SmallForge) -> SmallForge:
    small_forge.write("variants.yaml", 'cuda_version: ["12.8", "13.0"]\n')
    configure(small_forge)
    return small_forge


def configure(forge: SmallForge, *architectures: str) -> None:
    declared = {"architectures": list(architectures)} if architectures else {}
    forge.configure(channels=[], variants=["variants.yaml"], checks={"pins": "off", "libraries": "off"}, **declared)


def package(forge: SmallForge, name: str, *entries: tuple[int, int], host: tuple[str, ...] = ()) -> None:
    path = forge.recipe(name, RECIPE.format(name=name, host=json.dumps(host)))
    make_fat_library(path.parent / "code.so", entries)


def test_recipes_take_their_architectures_from_forge_yaml_by_cuda_release(forge: SmallForge) -> None:
    configure(forge, "7.0", "8.0", "12.0+PTX")
    forge.package("a", 'echo "${{ cuda_arch_list }}" "${{ cmake_cuda_architectures }}" "${{ cuda_version }}"')
    found = [dict(output.variant) for output in forge.rendered("a").outputs]
    assert [(item["cuda_version"], item["cuda_arch_list"], item["cmake_cuda_architectures"]) for item in found] == [
        ("12.8", "7.0;8.0;12.0+PTX", "70-real;80-real;120"),
        ("13.0", "8.0;12.0+PTX", "80-real;120"),
    ]


def test_they_are_zipped_with_what_is_zipped_to_cuda_already(forge: SmallForge) -> None:
    configure(forge, "8.0")
    zipped = 'cuda_version: ["12.8", "13.0"]\ngcc: ["13", "14"]\nzip_keys: [[cuda_version, gcc]]\n'
    forge.write("variants.yaml", zipped)
    forge.package("a", 'echo "${{ cuda_arch_list }}" "${{ gcc }}" "${{ cuda_version }}"')
    found = [dict(output.variant) for output in forge.rendered("a").outputs]
    assert [(item["cuda_version"], item["gcc"]) for item in found] == [("12.8", "13"), ("13.0", "14")]


def test_a_recipe_that_does_not_use_them_is_not_touched(forge: SmallForge) -> None:
    forge.package("a", "echo ${{ cuda_version }}")
    before = [output.binding_digest for output in forge.rendered("a").outputs]
    configure(forge, "8.0")
    assert [output.binding_digest for output in forge.rendered("a").outputs] == before


def test_a_library_that_lacks_a_declared_architecture_is_kept_back(forge: SmallForge) -> None:
    configure(forge, "8.0", "9.0+PTX")
    package(forge, "a", (SASS, 80), (PTX, 90))
    with pytest.raises(MakeFailed) as failed:
        make(forge, "a", "13.0")
    assert failed.value.failure.reason == (
        "check architectures: lib/a.so: has no code for 9.0, which forge.yaml declares; it has sm_80, PTX 90"
    )
    assert staged(forge) == []


def test_what_each_library_has_is_kept_with_the_file(forge: SmallForge) -> None:
    configure(forge, "8.0", "9.0+PTX")
    package(forge, "a", (SASS, 80), (SASS, 90), (PTX, 90))
    make(forge, "a", "13.0")
    opened = forge.open()
    (entry,) = opened.staging.entries()
    assert device_code_of(opened, entry) == {"lib/a.so": DeviceCode(("80", "90"), ("90",))}


def test_a_package_that_goes_further_than_what_it_requires_is_named(forge: SmallForge) -> None:
    package(forge, "low", (SASS, 80))
    package(forge, "high", (SASS, 80), (SASS, 90), host=("low",))
    make(forge, "low", "13.0")
    make_variant(forge.open(), VariantId("high", "13.0"), quiet)
    opened = forge.open()
    (entry,) = (entry for entry in opened.staging.entries() if entry.name == "high")
    (result,) = (result for result in findings_of(opened, "high", entry) if result.name == "architectures")
    assert "has code for 9.0, which low (lib/low.so), that it requires, does not run on: it has sm_80" in str(result)


def test_an_architecture_that_a_release_cannot_have_is_refused_with_its_place(
    forge: SmallForge, tmp_path: Path
) -> None:
    forge.configure(channels=[], variants=["variants.yaml"], architectures={"13.0": ["7.0"]})
    with pytest.raises(Exception, match=r"forge.yaml: architectures: nvcc of CUDA 13.0 does not compile for 7.0"):
        forge.open()
