"""Notes beside the packages of a channel folder: ``FILENAME.wvforge.json``, which no reader of channels looks at."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wvforge_dagster.channels.protocol import ChannelEntry

ENDING = ".wvforge.json"


def read_notes(channel: Path, entry: ChannelEntry) -> tuple[dict[str, Any], ...]:
    """The notes on this very file (by its sha256); none if they cannot be read: losing them costs a build, not truth."""
    try:
        found = json.loads(_path(channel, entry).read_bytes())
        notes = found["notes"] if found["sha256"] == entry.sha256 else []
        return tuple(note for note in notes if isinstance(note, dict))
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def add_notes(channel: Path, entry: ChannelEntry, notes: Sequence[dict[str, Any]]) -> None:
    """Append them, the newest last, also one that is there already; whole or not at all. Only under the channel's lock."""
    there = read_notes(channel, entry)
    wanted = [*(note for note in there if note not in notes), *notes]
    if wanted == list(there):
        return
    path = _path(channel, entry)
    path.parent.mkdir(mode=0o755, exist_ok=True)  # a note may come before the first package of its platform
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".wvforge-", suffix=".part")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        os.fchmod(stream.fileno(), 0o644)
        json.dump({"sha256": entry.sha256, "notes": wanted}, stream)
        stream.flush()
        os.fsync(stream.fileno())
    Path(name).replace(path)


def _path(channel: Path, entry: ChannelEntry) -> Path:
    return channel / entry.subdir / f"{entry.filename}{ENDING}"
