"""The staging channel of several machines: one that they share, and a folder with what this machine needed of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wvforge_dagster.channels.beside import NOTES
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.channels.objects import Objects
from wvforge_dagster.channels.protocol import NO_DOCUMENTS, ChannelEntry, Documents, Verified
from wvforge_dagster.channels.repodata import Listing, by_file
from wvforge_dagster.channels.s3 import S3Channel
from wvforge_dagster.core.package_file import PackageFile


class MirroredFolder(FolderChannel):
    """A package is in the shared channel before it is in the folder, and only what the shared one lists counts.

    The folder's notes are as they were when `take_notes` was last called, and what this machine added.

    Attributes:
        shared: the channel that all machines have.
        objects: the small objects beside it.
    """

    is_local = False

    def __init__(self, path: Path, shared: S3Channel | FolderChannel, objects: Objects, *, label: str) -> None:
        super().__init__(path, label=label)
        self.shared = shared
        self.objects = objects

    def entries(self) -> tuple[ChannelEntry, ...]:
        """Every package that the shared channel lists.

        Raises:
            ForgeError: if it cannot be reached or read.
        """
        return self.shared.entries()

    def read(self, entry: ChannelEntry, names: Sequence[str]) -> Mapping[str, bytes | None]:
        """See `Channel.read`: from the folder, if it is there."""
        is_here = self._is_here(entry, by_file(super().entries()))
        return super().read(entry, names) if is_here else self.shared.read(entry, names)

    def fetch(self, entry: ChannelEntry, folder: Path) -> PackageFile:
        """The file in the folder, which is brought there if it is missing.

        Raises:
            ForgeError: if it cannot be had, or has another content.
        """
        self.bring([entry])
        return super().fetch(entry, folder)

    def bring(self, entries: Iterable[ChannelEntry]) -> None:
        """See that listed packages are in the folder.

        Raises:
            ForgeError: if one cannot be had.
        """
        here = by_file(super().entries())
        missing = [entry for entry in entries if not self._is_here(entry, here)]
        if missing:
            work = self.path.parent / "work"
            work.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="brought-", dir=work) as folder:
                self._put_here([self.shared.fetch(entry, Path(folder)) for entry in missing], here)

    def publish(self, packages: Sequence[PackageFile], documents: Documents = NO_DOCUMENTS) -> tuple[ChannelEntry, ...]:
        """See `Channel.publish`: to the shared channel, and then here.

        Raises:
            ForgeError: if it cannot be put there, or is there with other content.
        """
        entries = self.shared.publish(packages, documents)
        self._put_here(packages, by_file(super().entries()))
        return entries

    def add_notes(self, entry: ChannelEntry, notes: Sequence[dict[str, Any]]) -> None:
        """See `Channel.add_notes`."""
        self.shared.add_notes(entry, notes)
        super().add_notes(entry, notes)

    def mend(self) -> None:
        """Finish what a killed machine began in the shared channel, and what a killed process began here.

        Raises:
            ForgeError: if something has to be written and cannot be.
        """
        self.shared.mend()
        super().mend()

    def note_files(self, entries: Iterable[ChannelEntry]) -> Mapping[str, str]:
        """The files of notes in the shared channel, such as ``noarch/NAME.conda.wvforge.json``, each with its etag.

        Raises:
            ForgeError: if they cannot be listed.
        """
        subdirs = sorted({entry.subdir for entry in entries})
        return {
            f"{subdir}/{name}": item.etag
            for subdir in subdirs
            for name, item in self.objects.listing(subdir).items()
            if name.endswith(NOTES)
        }

    def remove(self, entries: Sequence[ChannelEntry]) -> None:
        """See `Channel.remove`: here as well."""
        self.shared.remove(entries)
        here = by_file(super().entries())
        super().remove([here[key] for e in entries if (key := (e.subdir, e.filename)) in here])

    def verify(self, *, quick: bool = False) -> Verified:
        """See `Channel.verify`: of the shared channel."""
        return self.shared.verify(quick=quick)

    def reindex(self) -> tuple[str, ...]:
        """See `Channel.reindex`: of the shared channel."""
        return self.shared.reindex()

    def _is_here(self, entry: ChannelEntry, here: Listing) -> bool:
        listed = here.get((entry.subdir, entry.filename))
        path = self.path / entry.subdir / entry.filename
        return (
            listed is not None
            and listed.sha256 == entry.sha256
            and path.is_file()
            and path.stat().st_size == entry.size
        )

    def _put_here(self, packages: Sequence[PackageFile], here: Listing) -> None:
        """Into the folder; what is there under these names and is not what the shared channel has goes first."""
        others = [
            there
            for package in packages
            if (there := here.get((package.subdir, package.filename))) is not None and there.sha256 != package.sha256
        ]
        super().remove(others)
        super().publish(packages)
