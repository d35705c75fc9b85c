"""The embedded forge as it is shipped: its manifest, and how its recipes render."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from wvforge_dagster.build.variant_config import read_variants
from wvforge_dagster.core.forge_file import load_forge
from wvforge_dagster.upstream.manifest import load_manifest

FORGE = Path(__file__).parents[2] / "examples" / "embedded"
RECIPES = sorted(FORGE.glob("pkgs/*/recipe/recipe.yaml"))


def recipe(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((FORGE / "pkgs" / name / "recipe" / "recipe.yaml").read_text())
    return loaded


def test_the_manifest_covers_every_python_and_cuda_of_the_variants() -> None:
    manifest = load_manifest(FORGE / "upstream.yaml")
    variants = yaml.safe_load((FORGE / "variants.yaml").read_text())
    assert list(manifest.interpreters) == variants["python"]
    assert [tree.version for tree in manifest.trees if tree.name == "cuda-version"] == variants["cuda_version"]


def test_every_source_of_a_recipe_is_fetched_with_the_same_digest() -> None:
    listed = {
        file: digest
        for source in load_manifest(FORGE / "upstream.yaml").sources
        for file, digest in source.sha256.items()
    }
    named = {}
    for path in RECIPES:
        loaded = recipe(path.parents[1].name)
        source, version = loaded["source"], loaded["context"]["version"]
        if "sha256" in source:
            named[source["path"].split("/")[-1].replace("${{ version }}", version)] = source["sha256"]
    assert named == listed


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.parents[1].name)
def test_recipes_render_to_one_noarch_package_or_to_all_four_columns(path: Path) -> None:
    import rattler_build

    variants = read_variants([FORGE / "variants.yaml"], "linux-64", load_forge(FORGE).architectures.to_json())
    rendered = rattler_build.Stage0Recipe.from_file(path).render(variants, rattler_build.RenderConfig())
    columns = {(str(one.variant.get("cuda_version")), str(one.variant.get("python"))) for one in rendered}
    if path.parents[1].name in ("cuvec", "numcu"):
        assert columns == {(cuda, python) for cuda in ("13.0", "13.2") for python in ("3.12", "3.13")}
    else:
        assert columns == {("None", "None")}


def test_both_extensions_are_checked_by_the_same_program() -> None:
    programs = {path.read_text() for path in FORGE.glob("pkgs/*/recipe/check_variant.py")}
    assert len(programs) == 1


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.parents[1].name)
def test_every_patch_beside_a_recipe_is_applied_by_it(path: Path) -> None:
    beside = {f"patches/{patch.name}" for patch in path.parent.glob("patches/*")}
    assert set(recipe(path.parents[1].name)["source"].get("patches", [])) == beside
