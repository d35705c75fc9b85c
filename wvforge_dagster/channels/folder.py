"""A channel in a folder: one writer, every change whole or not there, readable by a web server."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wvforge_dagster.channels import beside, folder_index
from wvforge_dagster.channels.folder_check import verify_folder
from wvforge_dagster.channels.folder_copy import put, remove_unfinished
from wvforge_dagster.channels.folder_listing import list_entries, list_files
from wvforge_dagster.channels.folder_lock import writing
from wvforge_dagster.channels.folder_removal import remove_packages
from wvforge_dagster.channels.package_archive import identify, no_file, read_files
from wvforge_dagster.channels.protocol import NO_DOCUMENTS, ChannelEntry, Documents, Verified
from wvforge_dagster.channels.publication import confirm, not_yet_listed, still_listed, taken
from wvforge_dagster.channels.repodata import Listing, by_file
from wvforge_dagster.channels.verification import ASIDE
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.package_file import PackageFile

LOCK_WAIT_S = 900.0


class FolderChannel:
    """Packages in ``PATH/SUBDIR`` with an index beside them, as conda, pixi and rattler read it.

    Publishing is: lock, check, copy under another name, verify, rename, index, read back. A publisher that is killed
    leaves either nothing that counts (the next one removes its unfinished copies), packages that no index
    lists yet (the next one lists them), or half of an index (the next one writes it again); so does `mend`.
    """

    is_local = True
    keeps_documents = True

    def __init__(self, path: Path, *, label: str | None = None) -> None:
        """
        Args:
            path: the folder; it need not exist yet.
            label: the channel as the user wrote it.
        """
        self.path = path.absolute()
        self._label = label or f"file:{path}"

    @property
    def label(self) -> str:
        return self._label

    @property
    def url(self) -> str:
        return self.path.as_uri()

    def create(self) -> None:
        """Make it a channel that a solver can read, with nothing in it, unless it is one already.

        Raises:
            ForgeError: if the folder cannot be written.
        """
        with self._writing():
            folder_index.update(self.path, (), label=self._label)

    def entries(self) -> tuple[ChannelEntry, ...]:
        """Every package that its index lists.

        Raises:
            ForgeError: naming the repodata.json that is malformed.
        """
        return list_entries(self.path)

    def read(self, entry: ChannelEntry, names: Sequence[str]) -> Mapping[str, bytes | None]:
        """See `Channel.read`.

        Raises:
            ForgeError: if its file is gone, cannot be read, or is not of the listed size.
        """
        path = self.path / entry.subdir / entry.filename
        if path.exists() and path.stat().st_size != entry.size:
            raise ForgeError(
                "is not the file that the index lists", where=str(path), remedy="wvforge channel verify says more"
            )
        return read_files(path, names)

    def fetch(self, entry: ChannelEntry, folder: Path) -> PackageFile:
        """The listed file itself, measured.

        Raises:
            ForgeError: if it is gone or has another content.
        """
        path = self.path / entry.subdir / entry.filename
        try:
            file = PackageFile.read(path, entry.subdir)
        except OSError as error:
            raise ForgeError(f"cannot be read: {error.strerror}", where=str(path)) from None
        if file.sha256 != entry.sha256:
            raise ForgeError(
                "is not the file that the index lists", where=str(path), remedy="wvforge channel verify says more"
            )
        return file

    def notes(self, entry: ChannelEntry) -> tuple[dict[str, Any], ...]:
        """See `Channel.notes`."""
        return beside.read_notes(self._notes_content(entry), entry)

    def add_notes(self, entry: ChannelEntry, notes: Sequence[dict[str, Any]]) -> None:
        """See `Channel.add_notes`.

        Raises:
            ForgeError: if they cannot be written.
        """
        if notes:
            with self._writing():
                content = beside.add_notes(self._notes_content(entry), entry, notes)
                if content is not None:
                    put([], self.path, {f"{entry.subdir}/{entry.filename}{beside.NOTES}": content}, spare=0)

    def publish(self, packages: Sequence[PackageFile], documents: Documents = NO_DOCUMENTS) -> tuple[ChannelEntry, ...]:
        """See `Channel.publish`. Packages that lie in the folder without being listed are listed with them.

        Raises:
            ForgeError: if a package is not what it is said to be, is there with other content, or cannot be written.
        """
        wanted = [identify(package) for package in packages]
        with self._writing():
            remove_unfinished(self.path)
            listing = self._listing_mended()
            missing = [package for package in packages if not self._holds(package)]
            not_yet_listed(missing, listing, self._label)
            contents = beside.contents_beside(packages, documents)
            put(missing, self.path, contents, spare=3 * folder_index.size_on_disk(self.path))
            if any(_is_stale(entry, listing) for entry in wanted):
                # Only reading every package again makes the index forget what a file was when it was first listed.
                self._index_everything()
            else:
                self._index_unlisted()
            return confirm(wanted, self._listing(), self._label)

    def mend(self) -> None:
        """Finish what a killed publisher began, as the next publish would: a package that lies in the folder is listed.

        Raises:
            ForgeError: if something has to be written and cannot be.
        """
        if self.path.is_dir():
            with self._writing():
                remove_unfinished(self.path)
                self._listing_mended()
                self._index_unlisted()

    def verify(self, *, quick: bool = False) -> Verified:
        """See `Channel.verify`: temporary files that a killed publisher left are found as well."""
        return verify_folder(self.path, label=self._label, quick=quick)

    def reindex(self) -> tuple[str, ...]:
        """See `Channel.reindex`: every package is read again, so that it is true whatever was done by hand.

        Raises:
            ForgeError: if it cannot be written.
        """
        with self._writing():
            remove_unfinished(self.path)
            return tuple(str(path) for path in self._index_everything())

    def ensure_removable(self) -> None:
        """See `Channel.ensure_removable`: they can."""

    def remove(self, entries: Sequence[ChannelEntry]) -> None:
        """See `Channel.remove`.

        Raises:
            ForgeError: if one is listed with another content, or the folder cannot be written.
        """
        if entries:
            with self._writing():
                remove_unfinished(self.path)
                listed = still_listed(entries, self._listing_mended(), self._label)
                remove_packages(self.path, listed, label=self._label)

    def set_aside(self) -> tuple[Path, ...]:
        """What was no package, or no file of the index, and lies under another name now."""
        return tuple(sorted(self.path.glob(f"*/*{ASIDE}*")))

    def put_page(self, text: str) -> None:
        """See `Channel.put_page`. Nothing is locked or written where it is there already.

        Raises:
            ForgeError: if it cannot be written.
        """
        path = self.path / beside.PAGE
        there = path.read_bytes() if path.is_file() else None
        content = beside.page_instead_of(there, text)
        if content is not None and content != there and self.path.is_dir():
            with self._writing():
                put([], self.path, {beside.PAGE: content}, spare=0)

    def _holds(self, package: PackageFile) -> bool:
        """Whether the package lies in the folder with this content. What lies in its place and is no package is set aside.

        Raises:
            ForgeError: if another package lies there under its name.
        """
        path = self.path / package.subdir / package.filename
        if not os.path.lexists(path):
            return False
        there = PackageFile.read(path, package.subdir) if no_file(path) is None else None
        if there is not None and there.sha256 == package.sha256:
            return True
        if folder_index.set_aside_unreadable([path]) or there is None:
            return False
        raise taken(package, there.sha256, self._label)

    def _notes_content(self, entry: ChannelEntry) -> bytes | None:
        path = self.path / entry.subdir / f"{entry.filename}{beside.NOTES}"
        try:
            return path.read_bytes() if no_file(path) is None else None
        except OSError:
            return None

    def _index_unlisted(self) -> None:
        listing = self._listing()
        unlisted = [path for path in list_files(self.path) if (path.parent.name, path.name) not in listing]
        folder_index.set_aside_unreadable(unlisted)
        subdirs = {path.parent.name for path in unlisted if path.exists()} | folder_index.half_written(self.path)
        folder_index.update(self.path, subdirs, label=self._label)

    def _index_everything(self) -> tuple[Path, ...]:
        aside = folder_index.set_aside_unreadable(list_files(self.path))
        folder_index.rebuild(self.path, label=self._label)
        return aside

    def _listing(self) -> Listing:
        return by_file(list_entries(self.path))

    def _listing_mended(self) -> Listing:
        """The listing; an index that cannot be read is written anew first, from the packages that are there."""
        try:
            return self._listing()
        except ForgeError:
            self._index_everything()
            return self._listing()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the folder's lock; faults of the file system become errors of this channel."""
        try:
            if not self.path.exists():
                self.path.mkdir(parents=True, exist_ok=True)
                self.path.chmod(0o755)
            with writing(self.path, label=self._label, wait_s=LOCK_WAIT_S):
                yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise ForgeError("the disk is full", where=self._label, remedy="make room and publish again") from None
            name = f" ({error.filename2 or error.filename})" if error.filename else ""
            raise ForgeError(f"cannot be written: {error.strerror or error}{name}", where=self._label) from None


def _is_stale(entry: ChannelEntry, listing: Listing) -> bool:
    listed = listing.get((entry.subdir, entry.filename))
    return listed is not None and (listed.sha256, listed.size) != (entry.sha256, entry.size)
