"""A built package on disk, identified by what is in it."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PackageFile:
    """A ``.conda`` file.

    Attributes:
        path: where it lies.
        subdir: the platform folder that it belongs to, such as ``noarch`` or ``linux-64``.
        sha256: lower-case hex digest of the file.
        size: bytes.
    """

    path: Path
    subdir: str
    sha256: str
    size: int

    @property
    def filename(self) -> str:
        return self.path.name

    @classmethod
    def read(cls, path: Path, subdir: str) -> PackageFile:
        """Measure the file at `path`.

        Raises:
            OSError: if it cannot be read, or is no regular file.
        """
        # Opened without waiting, because a named pipe would be waited for without end.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise OSError(errno.EINVAL, "it is no regular file", str(path))
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            size = os.fstat(stream.fileno()).st_size
        return cls(path=path, subdir=subdir, sha256=digest, size=size)
