"""An archive of sources at an address: brought here, and looked into without unpacking it."""

from __future__ import annotations

import hashlib
import re
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import requests

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.settings import certificates_to_trust

ARCHIVE = re.compile(r"\.(tar\.(gz|bz2|xz)|tgz|zip)$")
_LICENCE = re.compile(r"(licen[cs]e|copying|notice)[^/]*", re.IGNORECASE)
_TIMEOUT_S = 60
_MOST_READ = 1 << 20
"""Bytes of one file that is read."""


@dataclass(frozen=True)
class SourceArchive:
    """What lies in an archive of sources.

    Attributes:
        members: the files in the archive's only folder, or at its top if it has several: their names, and their names in it.
    """

    path: Path
    sha256: str
    members: Mapping[str, str]

    @property
    def licences(self) -> list[str]:
        """The names of its licence files."""
        return [member for member in self.members if _LICENCE.fullmatch(member)]

    def read(self, name: str) -> str:
        """The text of one of `members`; empty if it has none of that name, or no text."""
        if name not in self.members:
            return ""
        if self.path.suffix == ".zip":
            with zipfile.ZipFile(self.path) as zipped, zipped.open(self.members[name]) as file:
                return file.read(_MOST_READ).decode("utf-8", "replace")
        with tarfile.open(self.path) as tarred:
            stream = tarred.extractfile(self.members[name])
            return stream.read(_MOST_READ).decode("utf-8", "replace") if stream else ""


def fetch_archive(url: str, folder: Path) -> SourceArchive:
    """Bring an archive into a folder.

    Raises:
        ForgeError: if it cannot be had, or is no archive.
    """
    path = folder / PurePosixPath(url.partition("?")[0]).name
    sha256 = download(url, path)
    return SourceArchive(path, sha256, _members(path, url))


def download(url: str, path: Path) -> str:
    """Bring a file here; its sha256.

    Raises:
        ForgeError: if it cannot be had.
    """
    digest = hashlib.sha256()
    try:
        with (
            requests.get(url, stream=True, timeout=_TIMEOUT_S, verify=certificates_to_trust()) as answer,
            path.open("wb") as file,
        ):
            if not answer.ok:
                raise ForgeError(f"cannot be fetched: {answer.status_code} {answer.reason}", where=url)
            for chunk in answer.iter_content(1 << 20):
                digest.update(chunk)
                file.write(chunk)
    except requests.exceptions.SSLError as error:
        said = re.search(r"certificate verify failed: ([^('\"]+)", str(error))
        raise ForgeError(
            f"cannot be fetched: its certificate cannot be verified{f' ({said[1].strip()})' if said else ''}",
            where=url,
            remedy="if it is right, name a file with the certificate that signed it in SSL_CERT_FILE",
        ) from None
    except requests.RequestException as error:
        raise ForgeError(f"cannot be fetched: {type(error).__name__}", where=url, remedy="check the address") from None
    return digest.hexdigest()


def _members(path: Path, url: str) -> dict[str, str]:
    try:
        names = _names(path)
    except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError) as error:
        raise ForgeError(f"is no archive: {error}", where=url) from None
    parts = {name: PurePosixPath(name).parts for name in names}
    tops = {found[0] for found in parts.values() if found}
    depth = 2 if len(tops) == 1 and any(len(found) > 1 for found in parts.values()) else 1
    return {found[-1]: name for name, found in parts.items() if len(found) == depth}


def _names(path: Path) -> list[str]:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as zipped:
            return zipped.namelist()
    with tarfile.open(path) as tarred:
        return tarred.getnames()
