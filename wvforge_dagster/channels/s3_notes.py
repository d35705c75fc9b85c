"""Notes beside the packages of an S3 channel: objects ``FILENAME.wvforge.json``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from wvforge_dagster.channels.protocol import ChannelEntry
from wvforge_dagster.channels.s3_store import S3Object, S3Store
from wvforge_dagster.channels.verification import NOTES_ENDING
from wvforge_dagster.core.errors import ForgeError


def read_notes(store: S3Store, entry: ChannelEntry) -> tuple[dict[str, Any], ...]:
    """The notes on this very file."""
    return _notes_in(store.read(notes_name(entry)), entry)


def add_notes(store: S3Store, entry: ChannelEntry, notes: Sequence[dict[str, Any]], *, label: str) -> None:
    """Append them, the newest last, also one that is there already.

    Raises:
        ForgeError: if they cannot be written, or others write there all the time.
    """
    for _ in range(20):
        before = store.read(notes_name(entry))
        there = _notes_in(before, entry)
        wanted = [*(note for note in there if note not in notes), *notes]
        content = json.dumps({"sha256": entry.sha256, "notes": wanted}).encode()
        if wanted == list(there) or store.put(notes_name(entry), content, instead_of=before):
            return
    raise ForgeError(f"the notes on {entry.filename} were not written: others write there", where=label)


def notes_name(entry: ChannelEntry) -> str:
    """The name of the object that has them."""
    return f"{entry.subdir}/{entry.filename}{NOTES_ENDING}"


def _notes_in(found: S3Object | None, entry: ChannelEntry) -> tuple[dict[str, Any], ...]:
    """The notes on this very file (by its sha256); none if they cannot be read: losing them costs a build, not truth."""
    try:
        content = json.loads(found.content if found else b"")
        notes = content["notes"] if content["sha256"] == entry.sha256 else []
        return tuple(note for note in notes if isinstance(note, dict))
    except (ValueError, KeyError, TypeError):
        return ()
