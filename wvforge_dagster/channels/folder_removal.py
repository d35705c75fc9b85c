"""Taking packages out of a channel folder: first out of its index, then their files. Only under the channel's lock.

A process that is killed in between leaves files that no index lists; the next publisher lists them again, and they can be
removed again.
"""

from __future__ import annotations

import os
import uuid
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from wvforge_dagster.channels.beside import names_beside
from wvforge_dagster.channels.protocol import ChannelEntry
from wvforge_dagster.channels.shorter_index import shorter_index


def remove_packages(channel: Path, entries: Iterable[ChannelEntry], *, label: str) -> None:
    """Remove listed packages, with what lies beside them. A folder that somebody put in a file's place stays.

    Raises:
        ForgeError: if the index cannot be made.
        OSError: if something cannot be written; what is listed is still there then.
    """
    by_subdir: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        by_subdir[entry.subdir].add(entry.filename)
    for subdir, names in by_subdir.items():
        folder = channel / subdir
        for name, content in shorter_index((folder / "repodata.json").read_bytes(), subdir, names, label=label):
            _write(channel, folder / name, content)
        for name in sorted(names):
            for path in (folder / name, *(folder / beside for beside in names_beside(name))):
                if path.is_symlink() or not path.is_dir():
                    path.unlink(missing_ok=True)


def _write(channel: Path, path: Path, content: bytes) -> None:
    """Where py-rattler writes it first, and where an unfinished file is removed; then under its name."""
    path.parent.mkdir(exist_ok=True)
    unfinished = channel / ".tmp" / f"{path.name}.{uuid.uuid4().hex}"
    unfinished.parent.mkdir(exist_ok=True)
    with unfinished.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fchmod(stream.fileno(), 0o644)
        os.fsync(stream.fileno())
    unfinished.replace(path)
