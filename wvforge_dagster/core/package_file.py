"""A built package on disk, identified by what is in it."""

from __future__ import annotations

import hashlib
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
        """Measure the file at `path`."""
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return cls(path=path, subdir=subdir, sha256=digest, size=path.stat().st_size)
