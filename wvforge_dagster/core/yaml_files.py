"""Reading YAML: plain values only, bounded depth, no aliases, and faults in one line."""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from wvforge_dagster.core.errors import ForgeError

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""What everything is read with: libyaml's loader where PyYAML was built with it. Its own takes half a minute for 20,000 open
brackets."""

_MOST_LEVELS = 100

LARGEST = 1 << 20
"""Bytes of a file; conda-forge's whole pinning has less than a tenth of it."""


def read_yaml(path: Path, *, remedy: str) -> Any:
    """The content of a YAML file in plain values.

    Raises:
        ForgeError: if the file is missing (with `remedy`), unreadable or malformed (with the line).
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ForgeError("is not a file", where=str(path))
        if status.st_size > LARGEST:
            raise ForgeError(f"is larger than {LARGEST >> 20} MiB", where=str(path), remedy="make it smaller")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ForgeError("no such file", where=str(path), remedy=remedy) from None
    except UnicodeDecodeError as error:
        raise ForgeError(f"is not UTF-8 (byte {error.start})", where=str(path), remedy="save it as UTF-8") from None
    except OSError as error:
        raise ForgeError(f"cannot be read: {error.strerror}", where=str(path)) from None
    try:
        _refuse_aliases_and_depth(text, path)
        return yaml.load(text, Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise ForgeError(f"malformed YAML: {error.problem or error.context}", where=f"{path}{line}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ForgeError(f"malformed YAML: {error}", where=str(path)) from None


def tuples_of(value: Any) -> Any:
    """Lists as tuples, which is what a strict frozen model takes."""
    if isinstance(value, Mapping):
        return {key: tuples_of(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(tuples_of(item) for item in value)
    return value


def _refuse_aliases_and_depth(text: str, path: Path) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise ForgeError("has a YAML alias", where=str(path), remedy="write the value out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MOST_LEVELS:
            # The parser would exhaust the stack.
            raise ForgeError(f"malformed YAML: more than {_MOST_LEVELS} levels", where=str(path))
