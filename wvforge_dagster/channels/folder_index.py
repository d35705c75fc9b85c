"""The index of a channel folder: written by py-rattler, readable by everyone, and not stopped by one bad file.

What py-rattler 0.28's `index_fs` does was measured: every file is written under ``.tmp``, fsynced and renamed
(``repodata.json.zst`` first, then ``repodata.json``, then the shards, then their list), so a reader never sees half of one;
but a writer that is killed in between leaves forms that say different things, and its unfinished files in ``.tmp``. Only files
that are not listed yet are read; deleted ones are dropped; a listed one keeps its entry whatever the file holds
now, unless all are read again (`rebuild`). An archive that cannot be read ends in a panic that names no file
and leaves its platform folder without a new index, so such files are set aside first.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from rattler.index import index_fs
from rattler.platform import Subdir

from wvforge_dagster.channels.package_archive import ENDINGS, no_file, unreadable
from wvforge_dagster.channels.verification import ASIDE
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.rattler_calls import first_line, wait_for

_FILES = ("repodata.json", "repodata.json.zst", "repodata_shards.msgpack.zst")
_log = logging.getLogger(__name__)


def package_files(folder: Path) -> Iterator[Path]:
    """The package archives directly in a platform folder."""
    if folder.is_dir():
        yield from (path for path in sorted(folder.iterdir()) if path.name.endswith(ENDINGS) and path.is_file())


def update(channel: Path, subdirs: Iterable[str], *, label: str) -> None:
    """Index what is not listed yet in these platform folders; ``noarch``, which every channel has, is made if missing.

    Raises:
        ForgeError: if the index cannot be written; the old one is then still there, whole.
    """
    missing = set() if (channel / "noarch" / "repodata.json").exists() else {"noarch"}
    for subdir in sorted({*subdirs} | missing):
        _index(channel, Subdir(subdir), label=label, force=False)


def rebuild(channel: Path, *, label: str) -> None:
    """Read every package again and index it, listed or not.

    Raises:
        ForgeError: if the index cannot be written; the old one is then still there, whole.
    """
    _index(channel, None, label=label, force=True)


def _index(channel: Path, subdir: Subdir | None, *, label: str, force: bool) -> None:
    for path in sorted(path for name in _FILES for path in channel.glob(f"*/{name}")):
        if (other := no_file(path)) is not None:
            # py-rattler would wait for a named pipe without end, and cannot replace a folder.
            _log.warning("%s: is %s; set aside as %s", path, other, _set_aside(path).name)
    try:
        wait_for(index_fs(channel, subdir, force=force))
    except Exception as error:  # rattler has no common class of its errors
        if "os error 28" in str(error):
            raise ForgeError(
                "its index cannot be written: the disk is full", where=label, remedy="make room and publish again"
            ) from None
        raise ForgeError(f"its index cannot be written: {first_line(error)}", where=label) from None
    _open_to_readers(channel)


def half_written(channel: Path) -> set[str]:
    """Platform folders whose list of shards, which is written last, is missing or older than repodata.json.

    Readers over HTTP prefer the shards: what only repodata.json lists is not there for them.
    """
    found = set()
    for index in channel.glob("*/repodata.json"):
        shards = index.with_name("repodata_shards.msgpack.zst")
        if not shards.exists() or shards.stat().st_mtime_ns < index.stat().st_mtime_ns:
            found.add(index.parent.name)
    return found


def set_aside_unreadable(candidates: Iterable[Path]) -> tuple[Path, ...]:
    """Rename archives that cannot be read, so that they are not indexed. Nothing is deleted.

    Returns:
        Their new paths, ``NAME.conda.corrupt``; a warning names each.
    """
    aside = []
    for path in candidates:
        fault = unreadable(path)
        if fault is None or not os.path.lexists(path):
            continue
        new = _set_aside(path)
        _log.warning("%s: is not a conda package (%s); set aside as %s", path, fault, new.name)
        aside.append(new)
    return tuple(aside)


def _set_aside(path: Path) -> Path:
    new = path.with_name(path.name + ASIDE)
    number = 1
    while os.path.lexists(new):
        number += 1
        new = path.with_name(f"{path.name}{ASIDE}{number}")
    return path.rename(new)


def size_on_disk(channel: Path) -> int:
    """Bytes of the index files of a channel, without the shards that later ones replaced."""
    return sum(path.stat().st_size for path in channel.glob("*/repodata*") if path.is_file())


def _open_to_readers(channel: Path) -> None:
    """Let a web server read what was written, whatever the publisher's umask is."""
    for platform in channel.iterdir():
        if not (platform / "repodata.json").is_file():
            continue
        shards = platform / "shards"
        for folder in (platform, shards):
            if folder.is_dir():
                _add_mode(folder, 0o755)
        for path in (*platform.glob("repodata*"), *(shards.iterdir() if shards.is_dir() else ())):
            if path.is_file():
                _add_mode(path, 0o644)


def _add_mode(path: Path, mode: int) -> None:
    now = path.stat().st_mode & 0o7777
    if now & mode != mode:
        path.chmod(now | mode)
