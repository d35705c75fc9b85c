"""Variant files on disk: those of the forge, in order, and the one beside a recipe."""

from __future__ import annotations

import hashlib
from codecs import BOM_UTF8
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
        if key not in _NOT_LISTS and path.name != LEGACY_VARIANT_FILE:
            _check_values(f"{path}: {key}", key, values)
    content = path.read_bytes()
    if content.startswith(BOM_UTF8):
        raise ForgeError("begins with a byte order mark", where=str(path), remedy="save it as UTF-8 without one")
    found = hashlib.sha256(content).hexdigest()
    if entry.sha256 is not None and found != entry.sha256:
        raise ForgeError(
            f"is not the file that is locked: its sha256 is {found}",
            where=str(path),
            remedy=f"restore it, or write that into {CONFIG_NAME}: variants",
        )
    return found


def _check_values(where: str, key: Any, values: Any) -> None:
    if values is None:
        raise ForgeError("has no values", where=where, remedy="give it a list of them, or remove it")
    if not isinstance(values, list):
        shown = "a mapping" if isinstance(values, Mapping) else repr(values)
        raise ForgeError(f"should be a list, is {shown}", where=where, remedy=f"write {key}: [{values}]")
    for value in values:
        if key == "zip_keys" and not isinstance(value, list):
            raise ForgeError(
                f"should be a list of lists of keys, has {value!r}",
                where=where,
                remedy=f"write {key}: [[{', '.join(map(str, values))}]]",
            )
        if key != "zip_keys" and isinstance(value, list):
            raise ForgeError(f"has the list {value!r} for a value", where=where, remedy="write plain values")


def own_variant_files(recipe: Path) -> tuple[Path, ...]:
    """The variant file beside a recipe.yaml, if there is one."""
    found = (recipe.with_name(name) for name in OWN_VARIANT_FILES)
    return tuple(path for path in found if path.is_file())[:1]
