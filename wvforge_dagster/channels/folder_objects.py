"""Objects in a folder that several machines see, such as a network file system."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from wvforge_dagster.channels.objects import ListedObject, StoredObject
from wvforge_dagster.core.errors import ForgeError

_LOCK = ".wvforge-objects.lock"
_LARGEST = 8 << 20
"""Bytes of an object; one that is larger, or no plain file, counts as none, and is written over."""


class FolderObjects:
    """See `Objects`. The file system's clock counts: the age of a file is told against one that is written now."""

    def __init__(self, path: Path, *, label: str) -> None:
        self._path = path
        self._label = label

    def read(self, name: str) -> StoredObject | None:
        """See `Objects.read`.

        Raises:
            ForgeError: if it cannot be read.
        """
        with self._faults(name):
            return self._read(name)

    def put(self, name: str, content: bytes, *, instead_of: StoredObject | None) -> bool:
        """See `Objects.put`.

        Raises:
            ForgeError: if it cannot be written.
        """
        path = self._path / name
        with self._faults(name):
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._locked():
                there = self._read(name)
                if (there.etag if there else None) != (instead_of.etag if instead_of else None):
                    return False
                handle, made = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
                with os.fdopen(handle, "wb") as stream:
                    stream.write(content)
                Path(made).chmod(0o600 if path.suffix == ".key" else 0o644)
                Path(made).replace(path)
                return True

    def remove(self, name: str) -> None:
        """See `Objects.remove`.

        Raises:
            ForgeError: if it cannot be removed.
        """
        with self._faults(name):
            (self._path / name).unlink(missing_ok=True)

    def listing(self, folder: str) -> Mapping[str, ListedObject]:
        """See `Objects.listing`: an etag here is of time and size.

        Raises:
            ForgeError: if the folder cannot be read.
        """
        found: dict[str, ListedObject] = {}
        with self._faults(folder):
            try:
                entries = list(os.scandir(self._path / folder))
            except FileNotFoundError:
                return found
            now = self._now() if entries else 0.0
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if entry.is_file(follow_symlinks=False) and not entry.name.startswith("."):
                    etag = f"{status.st_mtime_ns}-{status.st_size}-{status.st_ino}"
                    found[entry.name] = ListedObject(etag, status.st_size, now - status.st_mtime)
        return found

    def _read(self, name: str) -> StoredObject | None:
        try:
            handle = os.open(self._path / name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP):
                return None
            raise
        with os.fdopen(handle, "rb") as stream:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST:
                return None
            content, written = stream.read(_LARGEST + 1), status.st_mtime
        return StoredObject(content, f"{hashlib.sha256(content).hexdigest()}-{written}", self._now() - written)

    def _refuse_links(self, name: str) -> None:
        """What lies behind a link may be somebody else's."""
        inside = Path(name)
        for folder in (self._path / parent for parent in (*inside.parents, inside)[:-1]):
            if folder != self._path and folder.is_symlink():
                words, remedy = "is a link, which is not followed", "put the folder itself there"
                raise ForgeError(words, where=str(folder), remedy=remedy)

    def _now(self) -> float:
        with tempfile.NamedTemporaryFile(dir=self._path, prefix=".", suffix=".tmp") as stream:
            return os.fstat(stream.fileno()).st_mtime

    @contextmanager
    def _locked(self) -> Iterator[None]:
        handle = os.open(self._path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    @contextmanager
    def _faults(self, name: str) -> Iterator[None]:
        self._refuse_links(f"{name}/")
        try:
            yield
        except OSError as error:
            words = f"{name} cannot be read or written: {error.strerror or error}"
            raise ForgeError(words, where=self._label, remedy="it is the folder of `staging` in forge.yaml") from None
