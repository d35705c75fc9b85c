"""Which packages of a channel folder were made here: no other may be removed or replaced."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from uuid import uuid4

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.upstream.records import Records, write_json

LIST_NAME = "made.json"
"""The list in the channel folder: ``by``, the mark of the work folder that made it, and ``files``, paths in the channel."""


class OwnFiles:
    """The packages that one work folder made in one channel folder.

    They are listed in the channel under the work folder's mark, so that the list holds for this pair of folders only, and
    still does after both were moved.

    Args:
        channel: the channel folder; it need not exist.
        work: the work folder, which exists.
        records: the work folder's records.

    Raises:
        ForgeError: there are packages in the channel, and it is not of this work folder. Nothing in it is changed.
    """

    def __init__(self, channel: Path, work: Path, records: Records) -> None:
        self._channel = channel
        self._mark = _mark(work)
        self._lock = Lock()
        made = _read(channel / LIST_NAME)
        self._files: frozenset[str] = frozenset()
        if made is None:
            # A channel that was made before there were lists has records only.
            self._files = records.files_in(channel)
        elif made[0] == self._mark:
            self._files = made[1]
            return
        if not self._files and next(packages_in(channel), None):
            raise ForgeError(
                f"holds packages that this forge did not make, or no longer has its records of (in {work})",
                where=str(channel),
                remedy="let the {file: ...} of another folder come first in channels, or remove it if wvforge made it",
            )
        channel.mkdir(parents=True, exist_ok=True)
        self._write(self._files)

    @property
    def files(self) -> frozenset[str]:
        """Their paths in the channel, and the paths of those that were about to be there when a call was interrupted."""
        return self._files

    def add(self, file: str) -> None:
        """List a package, before it is put in the channel: nothing that is interrupted leaves one that is not listed.

        Raises:
            ForgeError: a package of this name is there, and was not made here.
        """
        with self._lock:
            if file not in self._files:
                if (self._channel / file).exists():
                    raise ForgeError(
                        "is in the way: this forge did not make it, and the manifest asks for a package of this name",
                        where=str(self._channel / file),
                        remedy="remove it, or take the package out of the manifest",
                    )
                self._write(self._files | {file})

    def keep_only(self, files: frozenset[str]) -> tuple[str, ...]:
        """Remove the listed packages that are not among ``files``; returns what was removed."""
        with self._lock:
            there = (package.relative_to(self._channel).as_posix() for package in packages_in(self._channel))
            removed = tuple(sorted(file for file in there if file in self._files and file not in files))
            for file in removed:
                (self._channel / file).unlink()
            if self._files != files:
                self._write(files)
            return removed

    def _write(self, files: frozenset[str]) -> None:
        write_json(self._channel / LIST_NAME, {"by": self._mark, "files": sorted(files)})
        self._files = files


def packages_in(channel: Path) -> Iterator[Path]:
    """The package files of a channel folder, of whomever."""
    for pattern in ("*/*.conda", "*/*.tar.bz2"):
        yield from channel.glob(pattern)


def _mark(work: Path) -> str:
    path = work / "mark"
    if not path.is_file():
        write_json(path, uuid4().hex)
    return str(json.loads(path.read_text(encoding="utf-8")))


def _read(path: Path) -> tuple[str, frozenset[str]] | None:
    try:
        made = json.loads(path.read_text(encoding="utf-8"))
        return str(made["by"]), frozenset(made["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
