"""Putting packages into a channel folder: under another name until all of them are there, whole and durable."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.package_file import PackageFile

_PART = ".wvforge-{}.part"
_INDEX_PARTS = ".tmp/*.*"  # where py-rattler writes the files of an index before they get their names
_SPARE_BYTES = 256 * 1024


def put(packages: Sequence[PackageFile], channel: Path, *, spare: int) -> None:
    """Copy packages into their platform folders; only when all are there, they get their names.

    Args:
        spare: bytes that the disk must have left for the index that is written next.

    Raises:
        OSError: if they cannot be written, a full disk included; then none of them is there.
        ForgeError: if a package is gone or changed since it was measured; then none of them is there.
    """
    copies: dict[Path, Path] = {}
    named: list[Path] = []
    try:
        for package in packages:
            folder = channel / package.subdir
            if not folder.exists():
                folder.mkdir()
                folder.chmod(0o755)
            final = folder / package.filename
            if final not in copies:
                copies[final] = folder / _PART.format(uuid.uuid4().hex)
                _copy(package, copies[final])
        if copies and shutil.disk_usage(channel).free < spare + _SPARE_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        for final, copy in copies.items():
            copy.rename(final)
            named.append(final)
        for folder in {final.parent for final in copies}:
            _sync(folder)
    except BaseException:
        for final in named:
            final.unlink(missing_ok=True)
        raise
    finally:
        for copy in copies.values():
            copy.unlink(missing_ok=True)


def unfinished(channel: Path) -> list[Path]:
    """What a killed publisher left of copies, notes and index files; while nobody else holds the channel's lock."""
    return [path for pattern in ("*/" + _PART.format("*"), _INDEX_PARTS) for path in sorted(channel.glob(pattern))]


def remove_unfinished(channel: Path) -> None:
    """Remove what a killed publisher left; only under the channel's lock."""
    for path in unfinished(channel):
        path.unlink(missing_ok=True)


def _copy(package: PackageFile, target: Path) -> None:
    """Write a package to `target`, durable, readable by everyone, and with the content it is said to have."""
    digest = hashlib.sha256()
    try:
        source = package.path.open("rb")
    except FileNotFoundError:
        raise ForgeError("no such file", where=str(package.path)) from None
    with source, target.open("xb") as copy:
        while block := source.read(1 << 20):
            digest.update(block)
            copy.write(block)
        copy.flush()
        os.fchmod(copy.fileno(), 0o644)
        os.fsync(copy.fileno())
    if digest.hexdigest() != package.sha256:
        raise ForgeError("changed since it was measured", where=str(package.path), remedy="build it again")


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
