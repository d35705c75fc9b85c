"""The package variants of a forge are those that the engine itself renders from the same files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from small_forge import SmallForge

from build.oracle import Variant, engine_variants
from wvforge_dagster.core.catalog import make_catalog
from wvforge_dagster.core.forge import Forge
from wvforge_dagster.core.forge_file import load_forge
from wvforge_dagster.core.recipe import OWN_VARIANT_FILES, Recipe

PROJECT = Path(__file__).parents[2]

BOTH = "package: {name: %s, version: '1'}\nrequirements: {host: [python, cuda-version], run: ['gcc ==${{ gcc }}']}\n"
ZIPPED = (
    "python: ['3.11', '3.12']\ncuda-version: ['12.6', '12.8', '12.9']\ngcc: ['13', '14', '14']\n"
    "zip_keys: [[cuda_version, gcc]]\n"
)
PINNING = """
python:
  - 3.11.* *_cpython
  - 3.12.* *_cpython    # [linux64]
is_python_min: [true, false]  # [linux64]
is_python_min: [true]         # [not linux64]
c_stdlib: [sysroot]           # [linux]
c_stdlib: [macosx_deployment_target]  # [osx]
c_stdlib_version: ['2.17']
numpy: ['2']
cdt_arch: armv7l              # [armv7l]
zip_keys:
  - [python, is_python_min]
"""
STAGED = """
recipe: {name: %s, version: "2"}
outputs:
  - staging: {name: cache}
    requirements: {build: ["${{ compiler('c') }}", "${{ stdlib('c') }}"], host: [cuda-version]}
  - package: {name: lib%s}
    inherit: cache
  - package: {name: data%s}
    inherit: cache
    build: {noarch: generic}
  - package: {name: py%s}
    requirements: {host: [python, "${{ pin_subpackage('lib%s', exact=True) }}"]}
"""


def as_shipped(folder: str) -> Callable[[SmallForge], None]:
    def copy(forge: SmallForge) -> None:
        for path in ("forge.yaml", "variants.yaml"):
            shutil.copy(PROJECT / folder / path, forge.root / path)
        shutil.copytree(PROJECT / folder / "pkgs", forge.root / "pkgs")

    return copy


def zipped(forge: SmallForge) -> None:
    forge.configure(variants=["variants.yaml"], channels=[])
    forge.write("variants.yaml", ZIPPED)
    forge.recipe("a", BOTH % "a")
    forge.recipe("none", "package: {name: none, version: '1'}\n")
    forge.recipe(
        "keys", "package: {name: keys, version: '1'}\nbuild: {variant: {use_keys: [gcc], ignore_keys: [python]}}\n"
    )


def several_files(forge: SmallForge) -> None:
    forge.configure(variants=["base_config.yaml", "more.yaml"], channels=[], platforms=["linux-64", "linux-aarch64"])
    forge.write("base_config.yaml", PINNING)
    forge.write("more.yaml", "cuda_version: ['12.6', '12.8']\nnumpy: ['2.1', '2.2']\n")
    forge.recipe("a", "package: {name: a, version: '1'}\nrequirements: {host: [python, numpy, cuda-version]}\n")
    forge.recipe("c", "package: {name: c, version: '1'}\nrequirements: {build: [\"${{ stdlib('c') }}\"]}\n")


def own_files(forge: SmallForge) -> None:
    zipped(forge)
    forge.write("pkgs/a/recipe/variants.yaml", "python: ['3.13']\n")
    forge.recipe("b", BOTH % "b")
    forge.write("pkgs/b/recipe/conda_build_config.yaml", "cuda_version: ['13.0']  # [linux]\ngcc: ['15']\n")
    forge.write("pkgs/c/recipe.yaml", BOTH % "c")


def several_outputs(forge: SmallForge) -> None:
    forge.configure(variants=["variants.yaml"], channels=[], platforms=["linux-64", "linux-aarch64"])
    forge.write("variants.yaml", ZIPPED + "c_stdlib: [sysroot]\nc_stdlib_version: ['2.17']\n")
    forge.recipe("m", STAGED % (("m",) * 5))


def skipped_and_elsewhere(forge: SmallForge) -> None:
    forge.configure(variants=["variants.yaml"], channels=[], platforms=["linux-64", "osx-arm64", "linux-aarch64"])
    forge.write("variants.yaml", ZIPPED)
    forge.recipe("a", BOTH % "a" + "build: {skip: [osx, \"match(python, '<3.12')\"]}\n")
    forge.recipe(
        "n", "package: {name: n, version: '1'}\nbuild: {noarch: python}\nrequirements: {host: [python >=3.9]}\n"
    )


def architectures_as_a_variant_file(forge: SmallForge, settings: Forge) -> list[Path]:
    """What forge.yaml declares, as a user of the engine alone would write it."""
    if not settings.architectures.lists:
        return []
    (entry,) = settings.variants
    variants = yaml.safe_load((forge.root / entry.file).read_text())
    values = settings.architectures.values(variants["cuda_version"])
    zipped = next(iter(variants.get("zip_keys", [])), ["cuda_version"])
    return [forge.write("architectures.yaml", json.dumps(values | {"zip_keys": [[*zipped, *values]]}))]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(as_shipped("."), id="root"),
        pytest.param(as_shipped("examples/embedded"), id="embedded"),
        zipped,
        several_files,
        own_files,
        several_outputs,
        skipped_and_elsewhere,
    ],
)
def test_package_variants_are_those_that_the_engine_renders_from_the_same_files(
    small_forge: SmallForge, make: Callable[[SmallForge], None]
) -> None:
    make(small_forge)
    settings = load_forge(small_forge.root)
    declared = architectures_as_a_variant_file(small_forge, settings)
    rendered = small_forge.render()
    assert rendered.recipes
    for platform, recipes in ((settings.platform, rendered.recipes), *rendered.further.items()):
        for recipe in recipes:
            assert isinstance(recipe, Recipe), recipe
            path = small_forge.root / recipe.path
            own = next((path.with_name(name) for name in OWN_VARIANT_FILES if path.with_name(name).exists()), None)
            files = [
                *(small_forge.root / entry.file for entry in settings.variants),
                *declared,
                *([own] if own else []),
            ]
            ours: set[Variant] = {(o.name, o.version, o.build_string, o.variant) for o in recipe.outputs}
            assert ours == engine_variants(path, files, platform), (platform, recipe.path)


def test_the_catalog_has_every_rendered_output_in_exactly_the_partitions_of_its_variant(
    small_forge: SmallForge,
) -> None:
    several_outputs(small_forge)
    rendered = small_forge.render()
    catalog = make_catalog(
        rendered.recipes, rendered.dimensions, load_forge(small_forge.root).platforms, rendered.further
    )
    for platform, recipes in (("", rendered.recipes), *rendered.further.items()):
        (recipe,) = recipes
        assert isinstance(recipe, Recipe)
        name = f"{platform}/m" if platform else "m"
        mine = {key: v.outputs for key, v in catalog.variants.items() if key.package == name}
        assert len(mine) == 6
        taken = {(o.name, o.variant) for outputs in mine.values() for o in outputs}
        assert taken == {(o.name, o.variant) for o in recipe.outputs if not (platform and o.noarch)}
        for outputs in mine.values():
            assert sorted(o.name for o in outputs) == (["datam"] if not platform else []) + ["libm", "pym"]


def test_the_root_forge_has_28_package_variants_in_three_cuda_columns_and_not_nine(small_forge: SmallForge) -> None:
    as_shipped(".")(small_forge)
    rendered = small_forge.render()
    catalog = make_catalog(rendered.recipes, rendered.dimensions)
    assert len(catalog.variants) == 28
    assert [(name, len(values)) for name, values in catalog.dimensions.values] == [("cuda", 3), ("python", 2)]
    assert all(len(variant.outputs) == 1 for variant in catalog.variants.values())
