"""Where the recipes of a forge are: what its patterns find, and what lies where they look and is no recipe."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.forge import CONFIG_NAME
from wvforge_dagster.core.recipe import BrokenRecipe

_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class RecipePlaces:
    """What the patterns of a forge find.

    Attributes:
        paths: the recipe files, relative to the forge, in order, each once, whatever links lead to it as well.
        broken: what is meant to be a recipe, and cannot be read as one, in order.
        without: folders with files and without a recipe, where every folder is that of a recipe, in order.
    """

    paths: tuple[str, ...]
    broken: tuple[BrokenRecipe, ...]
    without: tuple[str, ...]


def find_recipes(root: Path, patterns: Iterable[str]) -> RecipePlaces:
    """Look for the recipe files that match, below `root`.

    Raises:
        ForgeError: if a pattern leaves the forge, or is none.
    """
    patterns = tuple(patterns)
    found: dict[Path, str] = {}
    for pattern in patterns:
        for path in _matches(root, pattern):
            if path.name.endswith((".yaml", ".yml")):
                shown = path.relative_to(root).as_posix()
                place = path.resolve()
                # The place itself goes before the links that lead to it.
                if place not in found or path == place:
                    found[place] = shown
    paths = tuple(sorted(found.values()))
    holding = {parent.as_posix() for path in paths for parent in PurePosixPath(path).parents}
    broken: list[BrokenRecipe] = []
    without: list[str] = []
    for folder in _recipe_folders(root, patterns):
        shown = folder.relative_to(root).as_posix()
        if shown in holding or _leads_to_one(folder, found):
            continue
        reason = _why_no_recipe(folder, shown)
        if reason is not None:
            broken.append(BrokenRecipe(f"{shown}/recipe.yaml", folder.name, reason))
        elif _has_files(folder):
            without.append(shown)
    return RecipePlaces(paths, tuple(broken), tuple(without))


def _matches(root: Path, pattern: str) -> list[Path]:
    where = str(root / CONFIG_NAME)
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise ForgeError(f"recipes: {pattern!r} leaves the forge", where=where, remedy="use a pattern below it")
    try:
        return sorted(root.glob(pattern))
    except (ValueError, IndexError, NotImplementedError) as error:
        raise ForgeError(f"recipes: {pattern!r} is no pattern: {error}", where=where) from None


def _recipe_folders(root: Path, patterns: Iterable[str]) -> Iterator[Path]:
    """The folders that the patterns take for those of one recipe each: ``pkgs/*`` of ``pkgs/*/recipe.yaml``."""
    bases: dict[str, None] = {}
    for pattern in patterns:
        parts = Path(pattern).parts
        first = next((i for i, part in enumerate(parts) if _MAGIC.search(part)), None)
        if first is not None and first < len(parts) - 1 and "**" not in parts[first]:
            bases["/".join(parts[: first + 1])] = None
    folders = {path for base in bases for path in root.glob(base) if not path.name.startswith((".", "__"))}
    yield from sorted(folder for folder in folders if folder.is_dir() or folder.is_symlink())


def _leads_to_one(folder: Path, found: Iterable[Path]) -> bool:
    """Whether a link in a place of a recipe's folder leads to a folder with recipes, which are known by their own places."""
    if not folder.is_symlink() or not folder.is_dir():
        return False
    place = folder.resolve()
    return any(place in path.parents for path in found)


def _why_no_recipe(folder: Path, shown: str) -> str | None:
    """Why what is meant to be a recipe is none; None if nothing in the folder is meant to be one."""
    if not _exists(folder):
        return f"{shown}: is a link that leads nowhere; mend it, or remove it"
    for inner in (folder, folder / "recipe"):
        place = f"{shown}/recipe" if inner != folder else shown
        try:
            names = {path.name for path in inner.iterdir()}
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            return f"{place}: cannot be read: {error.strerror}; give yourself the right to read it"
        if "recipe.yaml" in names and not _exists(inner / "recipe.yaml"):
            return f"{place}/recipe.yaml: is a link that leads nowhere; mend it, or remove it"
        if "recipe.yml" in names:
            return f"{place}/recipe.yml: is no name that forge.yaml looks for (recipes); rename it to recipe.yaml"
        if "meta.yaml" in names:
            return (
                f"{place}/meta.yaml: is a recipe in conda-build's format; write it as a recipe.yaml "
                "(conda-recipe-manager's `convert` does most of it)"
            )
    return None


def _exists(path: Path) -> bool:
    """Whether something is there, at the end of all links. A circle of links ends nowhere."""
    try:
        path.stat()
    except OSError as error:
        return isinstance(error, PermissionError)
    return True


def _has_files(folder: Path) -> bool:
    """Whether there is more in a folder than caches, which a version control system leaves behind."""
    for current, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__" and not name.startswith(".")]
        if any(not name.startswith(".") for name in names) or any(Path(current, name).is_symlink() for name in folders):
            return True
    return False
