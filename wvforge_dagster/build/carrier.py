"""A package that the engine builds for what it carries or does on the way, not to be kept: changed tests, patched sources."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wvforge_dagster.build.builder import (
    BuildPlace,
    BuildRequest,
    BuiltPackage,
    OnLog,
    build_output,
    copy_recipe_folder,
)
from wvforge_dagster.build.variant_files import own_variant_files
from wvforge_dagster.core.artifact import Record
from wvforge_dagster.core.digest import digest_files
from wvforge_dagster.core.recipe import Output


def copy_for_carrier(recipe_folder: Path, folder: Path) -> None:
    """A copy of a recipe's folder, without variant files of its own: the carrier is the same in all variants."""
    copy_recipe_folder(recipe_folder, folder)
    for own in own_variant_files(folder / "recipe.yaml"):
        own.unlink()


def build_carrier(
    path: Path, recipe: Mapping[str, Any], sources: Any, place: BuildPlace, on_log: OnLog, *, network: bool = True
) -> BuiltPackage:
    """Write the carrier's recipe into its folder (`copy_for_carrier`), and build it.

    Args:
        path: of its recipe.yaml.
        recipe: of one output.
        sources: what the record says of its sources, as rendered.

    Raises:
        BuildFailed: if it cannot be built.
    """
    text = json.dumps(recipe)
    path.write_text(text, encoding="utf-8")
    package = recipe["package"]
    output = Output(
        name=package["name"],
        version=package["version"],
        build_string="",
        build_number=0,
        noarch="generic",
        variant=(),
        requirements={},
        skip=None,
        rendered={"source": sources},
    )
    record = Record(output.name, "", "", {"files": digest_files(path.parent, without=(path.name,))})
    request = BuildRequest(path, hashlib.sha256(text.encode()).hexdigest(), output, record, network=network)
    return build_output(request, place, on_log)
