"""What each recipient of `notify` was told, kept in the forge's output folder. Losing the file costs one repeated message."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Set
from pathlib import Path

from wvforge_dagster.core.notices import Mark, Notice, remembered
from wvforge_dagster.orchestration.file_locks import exclusive
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.whole_files import write_whole


def claim(forge: ForgeOnDisk, variable: str, find: Callable[[Set[Mark]], tuple[Notice, ...]]) -> tuple[Notice, ...]:
    """What a recipient is to be told, from now on remembered as told: of two processes at once, one gets it.

    Args:
        variable: names the recipient.
        find: what there is to tell to one who was told this.

    Raises:
        OSError: if it cannot be written down.
    """
    with exclusive(_lock(forge)):
        told = _read(forge)
        mine = told.get(variable, ())
        notices = find(frozenset(mine))
        if notices:
            _write(
                forge, {**told, variable: remembered([*mine, *(mark for notice in notices for mark in notice.marks)])}
            )
    return notices


def take_back(forge: ForgeOnDisk, variable: str, marks: Collection[Mark]) -> None:
    """What was claimed was not told after all.

    Raises:
        OSError: if it cannot be written down.
    """
    if marks:
        with exclusive(_lock(forge)):
            told = _read(forge)
            _write(forge, {**told, variable: tuple(mark for mark in told.get(variable, ()) if mark not in marks)})


def _read(forge: ForgeOnDisk) -> dict[str, tuple[Mark, ...]]:
    """What cannot be read was not told."""
    try:
        value = json.loads(_path(forge).read_text(encoding="utf-8"))
        return {
            str(variable): tuple(Mark(str(event), str(of), str(what)) for event, of, what in marks)
            for variable, marks in value.items()
        }
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return {}


def _write(forge: ForgeOnDisk, told: Mapping[str, tuple[Mark, ...]]) -> None:
    write_whole(_path(forge), json.dumps(told))


def _path(forge: ForgeOnDisk) -> Path:
    return forge.output / "told.json"


def _lock(forge: ForgeOnDisk) -> Path:
    return forge.output / "told.lock"
