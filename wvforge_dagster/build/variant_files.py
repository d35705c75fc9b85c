"""Variant files on disk: those of the forge, in order, and the one beside a recipe."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.forge import CONFIG_NAME, VariantFile, read_yaml
from wvforge_dagster.core.recipe import LEGACY_VARIANT_FILE, OWN_VARIANT_FILES

_NOT_LISTS = ("pin_run_as_build", "extend_keys", "__migrator")


def check_variant_file(root: Path, entry: VariantFile) -> str:
    """Its sha256, if it can be a variant file.

    Raises:
        ForgeError: naming the file and the key, or that it is not the one that forge.yaml locks.
    """
    path = root / entry.file
    data = read_yaml(path, remedy="write it, or name others in forge.yaml: variants ([] for none)")
    if data is not None and not isinstance(data, Mapping):
        raise ForgeError(f"holds a {type(data).__name__}, not keys with lists of values", where=str(path))
    for key, values in (data or {}).items():
        if not isinstance(values, list) and key not in _NOT_LISTS and path.name != LEGACY_VARIANT_FILE:
            shown = "a mapping" if isinstance(values, Mapping) else repr(values)
            raise ForgeError(f"should be a list, is {shown}", where=f"{path}: {key}", remedy=f"write {key}: [{values}]")
        if isinstance(values, list):
            _check_values(path, str(key), values)
    _refuse_twins(data or {}, path)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if entry.sha256 is not None and found != entry.sha256:
        raise ForgeError(
            f"is not the file that is locked: its sha256 is {found}",
            where=str(path),
            remedy=f"restore it, or write that into {CONFIG_NAME}: variants",
        )
    return found


def _check_values(path: Path, key: str, values: list[object]) -> None:
    if key in _NOT_LISTS:
        return
    if key == "zip_keys":
        if not all(isinstance(value, list) for value in values):
            shown = ", ".join(map(str, values))
            raise ForgeError("should be a list of lists", where=f"{path}: {key}", remedy=f"write {key}: [[{shown}]]")
        return
    if any(isinstance(value, (list, Mapping)) for value in values):
        what = "mapping" if any(isinstance(value, Mapping) for value in values) else "list"
        raise ForgeError(f"holds a {what}", where=f"{path}: {key}", remedy="its values are single ones")


def _refuse_twins(data: Mapping[str, object], path: Path) -> None:
    """The engine spells keys with underscores, and of two that become one it takes the last without a word."""
    spelled: dict[str, str] = {}
    for key in map(str, data):
        twin = spelled.setdefault(re.sub("[-.]", "_", key), key)
        if twin != key:
            raise ForgeError(f"{twin} and {key} are one key", where=str(path), remedy="keep one")


def own_variant_files(recipe: Path) -> tuple[Path, ...]:
    """The variant file beside a recipe.yaml, if there is one."""
    found = (recipe.with_name(name) for name in OWN_VARIANT_FILES)
    return tuple(path for path in found if path.is_file())[:1]
