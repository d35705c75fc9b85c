"""The files that recipes use besides their recipe.yaml: their digests, and why they cannot be used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from pathlib import Path

from wvforge_dagster.core.catalog import Package
from wvforge_dagster.core.digest import MISSING, digest, digest_files, digest_tree, is_more_than, why_unusable
from wvforge_dagster.core.evidence import RecipeFiles
from wvforge_dagster.core.recipe import OWN_VARIANT_FILES
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk

MOST_FILES = 50_000
"""Files that a recipe's folder, or one of its sources, may hold: they are all read by each command."""

MOST_BYTES = 4 << 30
"""Bytes that they may hold."""


def files_of_recipes(forge: ForgeOnDisk, names: Set[str] | None = None) -> dict[str, RecipeFiles]:
    """`recipe_files` of every package that has a recipe, by name; or of these only."""
    packages = forge.catalog.packages
    wanted = packages if names is None else names
    return {name: recipe_files(forge, packages[name]) for name in wanted if packages[name].recipe is not None}


def recipe_files(forge: ForgeOnDisk, package: Package) -> RecipeFiles:
    """Digests of the files that a recipe uses besides its recipe.yaml.

    What cannot be used is not read: a source may name a whole disk, and costs its own package only.
    """
    path = forge.root / package.path
    folder = path.parent
    shown = Path(package.path).parent
    files: Mapping[str, str] = {}
    sources: dict[str, str] = {}
    faults: list[str] = []
    if is_more_than(folder, MOST_FILES, MOST_BYTES, without_folder=forge.output):
        faults.append(f"{shown}: {_too_much()}; keep sources elsewhere, and name them in source.path")
    else:
        files = digest_files(folder, without=(path.name, *OWN_VARIANT_FILES), without_folder=forge.output)
        faults += _unusable(files, str(shown))
    for named in _path_sources(package):
        place = f"{package.path}: source.path: {named}"
        source = folder / named
        if forge.output.resolve() == source.resolve() or source.resolve() in forge.output.resolve().parents:
            faults.append(
                f"{place}: holds the forge's own output, which changes with each build; "
                "name a folder without it, or set output in forge.yaml to another place"
            )
        elif is_more_than(source, MOST_FILES, MOST_BYTES):
            faults.append(f"{place}: {_too_much()}; name a smaller folder, or use an archive or a git source")
        elif source.is_dir() and not source.is_symlink():
            found = digest_files(source)
            sources[named] = digest(found)
            faults += _unusable(found, place)
        else:
            sources[named] = digest_tree(source)
            # What an embedded upstream channel brings is made by the build.
            if sources[named] == MISSING and forge.forge.upstream is None:
                faults.append(f"{place}: no such file or folder; mend the path")
            faults += _unusable({"": sources[named]}, place)
    return RecipeFiles(files, sources, faults[0] if faults else None)


def _path_sources(package: Package) -> list[str]:
    outputs = package.recipe.outputs if package.recipe else ()
    sources = (source for output in outputs for source in output.sources)
    return list(dict.fromkeys(source["path"] for source in sources if "path" in source))


def _unusable(files: Mapping[str, str], place: str) -> Iterator[str]:
    for name, content in files.items():
        why = why_unusable(content)
        if why is not None:
            yield f"{f'{place}/{name}'.rstrip('/')}: {why}"


def _too_much() -> str:
    return f"holds more than {MOST_FILES:,} files or {MOST_BYTES >> 30} GiB"
