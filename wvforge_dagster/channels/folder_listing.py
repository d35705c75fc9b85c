"""What a channel folder lists, and which package files lie in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from wvforge_dagster.channels.folder_index import package_files
from wvforge_dagster.channels.package_archive import is_platform
from wvforge_dagster.channels.protocol import ChannelEntry
from wvforge_dagster.channels.repodata import read_repodata

_read: dict[str, tuple[tuple[int, int, int], tuple[ChannelEntry, ...]]] = {}
"""What this process read of indexes, by their path, with time, size and inode: an index is written anew as another file."""


def list_entries(channel: Path) -> tuple[ChannelEntry, ...]:
    """Every package that the indexes of a channel folder list. An index is read once until it changes.

    Raises:
        ForgeError: naming the repodata.json that is malformed.
    """
    subdirs = sorted(index.parent.name for index in channel.glob("*/repodata.json") if is_platform(index.parent.name))
    return tuple(entry for subdir in subdirs for entry in _entries_of(channel, subdir))


def list_files(channel: Path) -> Iterator[Path]:
    """The package files of a channel folder, listed or not."""
    if channel.is_dir():
        for folder in sorted(channel.iterdir()):
            if is_platform(folder.name):
                yield from package_files(folder)


def _entries_of(channel: Path, subdir: str) -> tuple[ChannelEntry, ...]:
    path = channel / subdir / "repodata.json"
    status = path.stat()
    version = (status.st_mtime_ns, status.st_size, status.st_ino)
    known = _read.get(str(path))
    if known is None or known[0] != version:
        known = (version, read_repodata(path, subdir, where=str(path)).entries)
        _read[str(path)] = known
    return known[1]
