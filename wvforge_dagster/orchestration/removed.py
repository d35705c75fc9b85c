"""Filenames of packages that were pruned: they are not used again, although no channel lists them any more."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.locks import asking, shared_turn
from wvforge_dagster.orchestration.shared_books import REMOVED, keep_book, pull_all_books

_REMEDY = "put it right; without it, names of pruned packages may be used again"


def removed_filenames(forge: ForgeOnDisk) -> frozenset[str]:
    """Every filename that was ever pruned from a channel of the forge.

    Raises:
        ForgeError: if the book of them is there and cannot be read: taken for empty, it would be lost with the next pruning.
    """
    path = _path(forge)
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return frozenset()
    except (OSError, ValueError, RecursionError) as error:
        words = (error.strerror if isinstance(error, OSError) else None) or "it is no JSON in UTF-8"
        raise ForgeError(f"cannot be read: {words}", where=str(path), remedy=_REMEDY) from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ForgeError("is no list of filenames", where=str(path), remedy=_REMEDY)
    return frozenset(names)


def remember_removed(forge: ForgeOnDisk, filenames: Iterable[str]) -> None:
    """To be called before they are removed.

    Raises:
        ForgeError: if those of earlier times cannot be read.
    """
    with asking(forge, "removed"), shared_turn(forge, "removed"):
        pull_all_books(forge)
        keep_book(forge, _path(forge), json.dumps(sorted({*removed_filenames(forge), *filenames})))


def _path(forge: ForgeOnDisk) -> Path:
    return forge.output / REMOVED
