"""What was made of which manifest entry, one small file per package: an interrupted assembly goes on."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FORMAT = "1"
"""Part of every entry's digest: raised when the same entry is to be made anew because this code changed."""


@dataclass(frozen=True)
class Record:
    """A finished package.

    Args:
        digest: digest of the manifest entry that it was made of.
        file: its path in the channel.
        size: its size in bytes.
    """

    digest: str
    file: str
    size: int


def entry_digest(*parts: object) -> str:
    """Digest over a manifest entry, given as values that JSON can hold."""
    text = json.dumps([FORMAT, *parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file so that a reader never sees half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(path)


class Records:
    """The records in one folder.

    Args:
        folder: where they lie; made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"

    def find(self, key: str, digest: str, channel: Path) -> Record | None:
        """The record of ``key``, if it was made of this entry and its package is still in the channel."""
        record = self._read(self._path(key))
        if record is None or record.digest != digest:
            return None
        return record if _lies_in(channel, record) else None

    def files_in(self, channel: Path) -> frozenset[str]:
        """What lies in a channel, by path and size, as the records have it."""
        found = (self._read(path) for path in self._folder.glob("*.json"))
        return frozenset(record.file for record in found if record is not None and _lies_in(channel, record))

    def write(self, key: str, record: Record) -> None:
        """Keep a record, after its package is in the channel."""
        write_json(self._path(key), asdict(record))

    def forget_all_but(self, keys: frozenset[str]) -> None:
        """Remove the records of entries that the manifest no longer has."""
        for path in self._folder.glob("*.json"):
            if path.stem not in keys:
                path.unlink(missing_ok=True)

    @staticmethod
    def _read(path: Path) -> Record | None:
        try:
            return Record(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None


def _lies_in(channel: Path, record: Record) -> bool:
    try:
        return (channel / record.file).stat().st_size == record.size
    except OSError:
        return False
