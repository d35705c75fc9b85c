"""Putting files into a channel folder: under another name until all of them are there, whole and durable."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.package_file import PackageFile

_PART = ".wvforge-{}.part"
_INDEX_PARTS = ".tmp/*.*"  # where py-rattler writes the files of an index before they get their names
_SPARE_BYTES = 256 * 1024


def put(packages: Sequence[PackageFile], channel: Path, contents: Mapping[str, bytes], *, spare: int) -> None:
    """Copy packages into their platform folders; only when all are there, they get their names, after what lies beside them.

    Args:
        contents: files that are to lie beside packages, by their path in the channel; what has that content is left.
        spare: bytes that the disk must have left for the index that is written next.

    Raises:
        OSError: if they cannot be written, a full disk included; then none of the new files is there.
        ForgeError: if a package is gone or changed since it was measured; then none of the new files is there.
    """
    copies: dict[Path, Path] = {}
    named: list[Path] = []
    try:
        for name, content in contents.items():
            final = channel / name
            if not final.is_file() or final.read_bytes() != content:
                copies[final] = _part_for(final)
                _write(content, copies[final])
        for package in packages:
            final = channel / package.subdir / package.filename
            if final not in copies:
                copies[final] = _part_for(final)
                _copy(package, copies[final])
        if copies and shutil.disk_usage(channel).free < spare + _SPARE_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        for final, copy in copies.items():
            is_new = not final.exists()
            copy.rename(final)
            if is_new:
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
    found = [
        path
        for pattern in (_PART.format("*"), "*/" + _PART.format("*"), _INDEX_PARTS)
        for path in sorted(channel.glob(pattern))
    ]
    return [path for path in found if path.is_symlink() or not path.is_dir()]


def remove_unfinished(channel: Path) -> None:
    """Remove what a killed publisher left; only under the channel's lock."""
    for path in unfinished(channel):
        path.unlink(missing_ok=True)


def _part_for(final: Path) -> Path:
    folder = final.parent
    if not folder.exists():
        folder.mkdir()
        folder.chmod(0o755)
    return folder / _PART.format(uuid.uuid4().hex)


def _write(content: bytes, target: Path) -> None:
    with target.open("xb") as stream:
        stream.write(content)
        _finish(stream)


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
        _finish(copy)
    if digest.hexdigest() != package.sha256:
        raise ForgeError("changed since it was measured", where=str(package.path), remedy="build it again")


def _finish(stream: BinaryIO) -> None:
    """Make a written file durable and readable by everyone."""
    stream.flush()
    os.fchmod(stream.fileno(), 0o644)
    os.fsync(stream.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
