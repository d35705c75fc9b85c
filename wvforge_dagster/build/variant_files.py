"""Variant files on disk: those of the forge, in order, and the one beside a recipe."""

from __future__ import annotations

import ast
import hashlib
import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.recipe import LEGACY_VARIANT_FILE, OWN_VARIANT_FILES
from wvforge_dagster.core.yaml_files import read_yaml

_SELECTOR_NAME = re.compile(
    r"linux(32|64)?|osx|win(32|64)?|unix|x86|x86_64|aarch64|arm64|ppc64le|s390x|armv\w+|os|environ|(build|target)_platform"
)

_NOT_LISTS = ("pin_run_as_build", "extend_keys", "__migrator")


def check_variant_file(path: Path, sha256: str | None) -> str:
    """The sha256 of a file, if it can be a variant file.

    Args:
        sha256: that it must have, if forge.yaml locks it.

    Raises:
        ForgeError: naming the file and the key, or that it is not the one that forge.yaml locks.
    """
    data = read_yaml(path, remedy="write it, or name others in forge.yaml: variants ([] for none)")
    if data is not None and not isinstance(data, Mapping):
        raise ForgeError(f"holds a {type(data).__name__}, not keys with lists of values", where=str(path))
    if not is_legacy(path):
        _check_keys(path, data or {})
    content = path.read_bytes()
    if content.startswith(BOM_UTF8):
        raise ForgeError("begins with a byte order mark", where=str(path), remedy="save it as UTF-8 without one")
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256:
        raise ForgeError(
            f"is not the file that is locked: its sha256 is {found}",
            where=str(path),
            remedy="restore it, or write that into forge.yaml: variants",
        )
    return found


def _check_keys(path: Path, data: Mapping[Any, Any]) -> None:
    for key, values in data.items():
        if values is None and key not in _NOT_LISTS:
            raise ForgeError("has no values", where=f"{path}: {key}", remedy="give it a list of them, or remove it")
        if not isinstance(values, list) and key not in _NOT_LISTS:
            shown = "a mapping" if isinstance(values, Mapping) else repr(values)
            raise ForgeError(f"should be a list, is {shown}", where=f"{path}: {key}", remedy=f"write {key}: [{values}]")
        if isinstance(values, list):
            _check_values(path, str(key), values)
    _refuse_twins(data, path)


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


def is_legacy(path: Path) -> bool:
    """Whether a variant file is written as conda-build writes them: by its name, or because it has selectors."""
    if path.name == LEGACY_VARIANT_FILE:
        return True
    text = path.read_text(encoding="utf-8")
    return any(map(_is_selector, re.findall(r"#\s*\[([^\n]+)\][ \t\r]*$", text, re.MULTILINE)))


def _is_selector(words: str) -> bool:
    """Whether what is in the brackets of a comment asks for a platform or the environment, as conda-build's selectors do."""
    try:
        tree = ast.parse(words.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return any(isinstance(node, ast.Name) and _SELECTOR_NAME.fullmatch(node.id) for node in ast.walk(tree))
