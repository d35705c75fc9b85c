"""Filenames of packages that were pruned: they are not used again, although no channel lists them any more."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.locks import asking
from wvforge_dagster.orchestration.whole_files import write_whole


def removed_filenames(forge: ForgeOnDisk) -> frozenset[str]:
    """Every filename that was ever pruned from a channel of the forge."""
    try:
        return frozenset(json.loads(_path(forge).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return frozenset()


def remember_removed(forge: ForgeOnDisk, filenames: Iterable[str]) -> None:
    """To be called before they are removed."""
    with asking(forge, "removed"):
        write_whole(_path(forge), json.dumps(sorted({*removed_filenames(forge), *filenames})))


def _path(forge: ForgeOnDisk) -> Path:
    return forge.output / "removed.json"
