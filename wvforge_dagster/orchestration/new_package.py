"""A new package in a forge: its folder with a first recipe."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from wvforge_dagster.build.new_recipe import NewRecipe
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.forge import CONFIG_NAME
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.whole_files import write_whole


def add_package(forge: ForgeOnDisk, name: str, write_recipe: Callable[[], NewRecipe]) -> tuple[Path, NewRecipe]:
    """Write the recipe of a new package where the forge looks for recipes. Returns its path and the recipe.

    Raises:
        ForgeError: if the name cannot be a package's, the forge has that package, or the recipe cannot be written.
    """
    if not re.fullmatch(r"[a-z0-9_][a-z0-9_.-]{0,127}", name):
        raise ForgeError("is no name of a conda package", where=name, remedy="use a-z, 0-9, '_', '-' and '.'")
    if name in forge.catalog.provider:
        package = forge.catalog.packages[forge.catalog.provider[name]]
        raise ForgeError(f"is in the forge: {package.path}", where=name)
    path = _place(forge, name)
    if path.exists():
        raise ForgeError("is there", where=str(path), remedy="remove it, or choose another name")
    recipe = write_recipe()
    write_whole(path, recipe.text)
    return path, recipe


def _place(forge: ForgeOnDisk, name: str) -> Path:
    """Where the first pattern of forge.yaml that has one ``*`` finds the recipe of a package."""
    for pattern in forge.forge.recipes:
        if pattern.count("*") == 1 and pattern.endswith(".yaml"):
            return forge.root / pattern.replace("*", name)
    raise ForgeError(
        "no pattern has one *, the package's name",
        where=str(forge.root / f"{CONFIG_NAME}: recipes"),
        remedy="write the recipe by hand",
    )
