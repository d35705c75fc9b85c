"""Reading forge.yaml: its settings, or its first fault in one line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from wvforge_dagster.core.classes import ClassSettings
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.forge import CONFIG_NAME, CompilerCacheSettings, FileChannel, Forge, VariantFile
from wvforge_dagster.core.limits import Limits, SomeLimits
from wvforge_dagster.core.recipients import fault_of_recipient
from wvforge_dagster.core.severity import Checks, SomeChecks
from wvforge_dagster.core.yaml_files import read_yaml, tuples_of

_LONGEST = 1000
"""Characters of a text."""


def load_forge(root: Path) -> Forge:
    """Read `root`/forge.yaml.

    Raises:
        ForgeError: naming the file and the key, if it is missing, malformed, or has an unknown key.
    """
    path = root / CONFIG_NAME
    data = read_yaml(path, remedy="a forge is a folder with a forge.yaml: give its place with --forge or WVFORGE_FORGE")
    if data is None:
        data = {}
    if not isinstance(data, Mapping):
        raise ForgeError(f"holds a {type(data).__name__}, not keys and values", where=str(path))
    _refuse_odd_texts(data, path)
    _refuse_old_keys(data, path)
    try:
        return Forge.model_validate(tuples_of(_with_platforms(data, path)))
    except ValidationError as error:
        raise _explain(error, path, data) from None


def _refuse_odd_texts(value: Any, path: Path, *keys: str) -> None:
    """No name, address or pattern has a NUL or a thousand characters, and no path can."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            _refuse_odd_texts(item, path, *keys, str(key)[:50])
    elif isinstance(value, list):
        for position, item in enumerate(value):
            _refuse_odd_texts(item, path, *keys, str(position))
    elif isinstance(value, str) and (len(value) > _LONGEST or "\0" in value):
        what = "holds a NUL character" if "\0" in value else f"is longer than {_LONGEST} characters"
        raise ForgeError(what, where=f"{path}: {'.'.join(keys)}")


def _with_platforms(data: Mapping[Any, Any], path: Path) -> Mapping[Any, Any]:
    """`data` with ``platform: NAME`` written as ``platforms: [NAME]``, and no platform twice."""
    if "platform" in data:
        if "platforms" in data:
            raise ForgeError("is given beside platforms", where=f"{path}: platform", remedy="remove it")
        data = {key: value for key, value in data.items() if key != "platform"} | {"platforms": [data["platform"]]}
    given = data.get("platforms")
    if isinstance(given, list) and len({str(name) for name in given}) < len(given):
        raise ForgeError("names a platform twice", where=f"{path}: platforms", remedy="remove one")
    return data


def _refuse_old_keys(data: Mapping[Any, Any], path: Path) -> None:
    limits = data.get("limits")
    for key, has, now in (
        ("heavy", "heavy" in data, "packages: [...]"),
        ("limits.heavy", isinstance(limits, Mapping) and "heavy" in limits, "hours: ..., memory_gib: ..."),
    ):
        if has:
            raise ForgeError(
                "is no key any more", where=f"{path}: {key}", remedy=f"write classes: {{heavy: {{{now}}}}}"
            )


def _model_at(location: Sequence[str | int]) -> type[BaseModel]:
    """The model whose key the last part of a location is."""
    if len(location) == 1:
        return Forge
    holders: dict[str | int, type[BaseModel]] = {
        "variants": VariantFile,
        "channels": FileChannel,
        "classes": ClassSettings,
        "compiler-cache": CompilerCacheSettings,
    }
    models = (Checks, SomeChecks) if location[0] == "checks" else (Limits, SomeLimits)
    return holders.get(location[0]) or models[0 if len(location) == 2 else 1]


def _explain(error: ValidationError, path: Path, data: Mapping[Any, Any]) -> ForgeError:
    """The first fault of a forge.yaml as one line."""
    first = error.errors()[0]
    if first["loc"][:1] == ("notify",):
        return fault_of_recipient(first, path)
    location = [
        part
        for part in first["loc"]
        if isinstance(part, int) or not re.match(r"(function|constrained)-|str$|FileChannel$", part)
    ]
    is_key = location[-1:] == ["[key]"]
    location = [part for part in location if part != "[key]"]
    key = ".".join(str(part) for part in location)
    where = f"{path}: {key}" if key else str(path)
    if first["type"] == "extra_forbidden":
        known = _model_at(location).model_fields
        names = (field.alias or name for name, field in known.items())
        return ForgeError("unknown key", where=where, remedy=f"known keys: {', '.join(names)}")
    if first["type"] == "missing":
        return ForgeError("is missing", where=where)
    message = re.sub(r"^(Value error, |Input should be |String should )", "", first["msg"]).replace("tuple", "list")
    message = re.sub(r"^a valid dictionary( or instance of \w+)?$", "keys and values", message)
    if first["msg"].startswith("String should "):
        return ForgeError(f"{first['input']!r} should {message}", where=where)
    given = first.get("input")
    if given is not None and not isinstance(given, (dict, tuple)) and repr(given) not in message:
        what = f"the key {given!r}" if is_key else repr(given)
        message = f"{what} is wrong: should be {message}" if first["type"] != "value_error" else message
    elif first["type"] != "value_error":
        message = f"should be {message}"
    return ForgeError(message, where=where)
