"""Tiny real releases in a folder that pip takes for its registry."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path


class Registry:
    """A folder of wheels and source archives.

    Args:
        folder: where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def wheel(self, name: str, version: str, files: Mapping[str, str], tag: str = "py3-none-any") -> dict[str, str]:
        """Add a wheel; returns its file name with its digest."""
        path = self.folder / f"{name}-{version}-{tag}.whl"
        info = f"{name}-{version}.dist-info"
        contents = dict(files) | {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
        }
        lines = [f"{file},sha256={_record_digest(text)},{len(text.encode())}\n" for file, text in contents.items()]
        record = "".join([*lines, f"{info}/RECORD,,\n"])
        with zipfile.ZipFile(path, "w") as archive:
            for file, text in (contents | {f"{info}/RECORD": record}).items():
                archive.writestr(file, text)
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()}

    def source(self, name: str, version: str, files: Mapping[str, str]) -> dict[str, str]:
        """Add a source archive; returns its file name with its digest."""
        path = self.folder / f"{name}-{version}.tar.gz"
        head = {"PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"}
        with tarfile.open(path, "w:gz") as archive:
            for file, text in (head | dict(files)).items():
                member = tarfile.TarInfo(f"{name}-{version}/{file}")
                member.size = len(text.encode())
                archive.addfile(member, io.BytesIO(text.encode()))
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()}


def _record_digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
