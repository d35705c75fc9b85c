"""A channel in a bucket of S3, or of another server that speaks its protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from rattler.networking import Client
from rattler.package_streaming import PackageArchive

from wvforge_dagster.channels import beside
from wvforge_dagster.channels.objects import Objects
from wvforge_dagster.channels.package_archive import ENDINGS, check_unchanged, identify
from wvforge_dagster.channels.patience import TransientError, patiently
from wvforge_dagster.channels.protocol import NO_DOCUMENTS, ChannelEntry, Documents, Verified
from wvforge_dagster.channels.publication import confirm, not_yet_listed, still_listed, taken
from wvforge_dagster.channels.remote import Access, RemoteChannel, all_in, listing_when
from wvforge_dagster.channels.repodata import Listing, by_file
from wvforge_dagster.channels.s3_calls import S3Place
from wvforge_dagster.channels.s3_check import verify_bucket
from wvforge_dagster.channels.s3_index import read_index, set_aside_unreadable, write_index
from wvforge_dagster.channels.s3_removal import shorten_index
from wvforge_dagster.channels.s3_store import S3Store
from wvforge_dagster.channels.s3_turns import turn
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.package_file import PackageFile
from wvforge_dagster.rattler_calls import first_line, wait_for


class S3Channel(RemoteChannel):
    """Packages as objects, each put whole and never over another, with an index beside them that py-rattler writes.

    Two publishers at a time lose nothing: the index is made of what lies in the bucket and written only over the one that was
    read; each publisher reads it back, and indexes again until it lists all of its own packages.
    """

    keeps_documents = True

    def __init__(self, place: S3Place, access: Access) -> None:
        super().__init__(place.url.replace("s3://", "s3:", 1), place.url, access)
        self._store = S3Store(place, credentials=access.credentials, patience=access.patience, label=self.label)
        self.objects: Objects = self._store
        self._known: dict[str, tuple[str, tuple[ChannelEntry, ...]]] = {}

    def read(self, entry: ChannelEntry, names: Sequence[str]) -> Mapping[str, bytes | None]:
        """See `Channel.read`: a part of the package, by range requests.

        Raises:
            ForgeError: if the package cannot be read.
        """
        address = self._store.signed_address(f"{entry.subdir}/{entry.filename}", seconds=900)

        async def read() -> dict[str, bytes | None]:
            limit = int(self._patience.upload_limit(entry.size)) + 1
            return await (await PackageArchive.from_url(Client(timeout=limit), address)).read_files(names)

        def attempt() -> dict[str, bytes | None]:
            try:
                return wait_for(read())
            except Exception as error:  # rattler has no common class of its errors
                raise TransientError(self._credentials.redact(first_line(error))) from None

        what = f"{entry.filename} cannot be read"
        return patiently(what, attempt, patience=self._patience, label=self.label)

    def notes(self, entry: ChannelEntry) -> tuple[dict[str, Any], ...]:
        """See `Channel.notes`: an object beside the package has them."""
        found = self._store.read(_notes_name(entry))
        return beside.read_notes(found.content if found else None, entry)

    def add_notes(self, entry: ChannelEntry, notes: Sequence[dict[str, Any]]) -> None:
        """See `Channel.add_notes`.

        Raises:
            ForgeError: if they cannot be written, or others write there all the time.
        """
        self._put_beside(_notes_name(entry), lambda there: beside.add_notes(there, entry, notes))

    def put_page(self, text: str) -> None:
        """See `Channel.put_page`.

        Raises:
            ForgeError: if it cannot be written, or others write it all the time.
        """
        self._put_beside(beside.PAGE, lambda there: beside.page_instead_of(there, text), "text/html; charset=utf-8")

    def publish(self, packages: Sequence[PackageFile], documents: Documents = NO_DOCUMENTS) -> tuple[ChannelEntry, ...]:
        """See `Channel.publish`. Packages that lie in the bucket without being listed are listed with them.

        Raises:
            ForgeError: if a package is not what it is said to be, is there with other content, cannot be put, or is not
                listed as it was put within the patience's time.
        """
        wanted = [identify(package) for package in packages]
        subdirs = sorted({entry.subdir for entry in wanted})
        listing = by_file(self._entries(subdirs))
        missing = not_yet_listed(packages, listing, self.label)
        absent = [package for package in missing if not self._holds(package)]
        for package in absent:
            check_unchanged(package)
        for name, content in beside.contents_beside(packages, documents).items():
            self._put_beside(name, lambda _, content=content: content)  # type: ignore[misc]
        for package in absent:
            self._put(package)
        if missing:
            listing = self._index_until_listed(wanted, subdirs, sum(package.size for package in missing))
        return confirm(wanted, listing, self.label)

    def mend(self) -> None:
        """Finish what a killed publisher began: a package that lies in the bucket is listed.

        Raises:
            ForgeError: if the server cannot be reached, or refuses.
        """
        for subdir in self._subdirs:
            lying = {name for name in self._store.names(subdir) if name.endswith(ENDINGS)}
            if lying - {entry.filename for entry in self._entries_of(subdir)}:
                with self._turn(0):
                    self._index([subdir], self._patience.upload_limit(0))

    def verify(self, *, quick: bool = False) -> Verified:
        """See `Channel.verify`: of the channel's platforms.

        Raises:
            ForgeError: if the server cannot be reached, or refuses.
        """
        return verify_bucket(self._store, self._subdirs, label=self.label, quick=quick)

    def reindex(self) -> tuple[str, ...]:
        """See `Channel.reindex`: every package of the channel's platforms is read again.

        Raises:
            ForgeError: if it cannot be written.
        """
        with self._turn(0):
            aside = [
                f"{subdir}/{name}"
                for subdir in self._subdirs
                for name in set_aside_unreadable(self._store, subdir, listed=frozenset())
            ]
            for subdir in self._subdirs:
                self._index_one(subdir, self._patience.upload_limit(0), force=True)
        return tuple(aside)

    def ensure_removable(self) -> None:
        """See `Channel.ensure_removable`: they can."""

    def remove(self, entries: Sequence[ChannelEntry]) -> None:
        """See `Channel.remove`.

        Raises:
            ForgeError: if one is listed with another content, the server cannot be reached, or refuses.
        """
        if not entries:
            return
        subdirs = sorted({entry.subdir for entry in entries})
        with self._turn(0):
            gone = still_listed(entries, by_file(self._entries(subdirs)), self.label)
            for subdir in sorted({entry.subdir for entry in gone}):
                names = {entry.filename for entry in gone if entry.subdir == subdir}
                shorten_index(self._store, subdir, names, label=self.label)
            for entry in gone:
                self._store.remove(f"{entry.subdir}/{entry.filename}")
                for name in beside.names_beside(entry.filename):
                    self._store.remove(f"{entry.subdir}/{name}")
            listing = by_file(self._entries(subdirs))
            if any((entry.subdir, entry.filename) in listing for entry in gone):
                # A publisher who did not wait for this turn has listed them again.
                self._index(subdirs, self._patience.upload_limit(0))

    def _entries(self, subdirs: Sequence[str]) -> tuple[ChannelEntry, ...]:
        ordered = sorted(set(subdirs))
        if not ordered:
            return ()
        with ThreadPoolExecutor(max_workers=len(ordered)) as pool:
            return tuple(entry for found in pool.map(self._entries_of, ordered) for entry in found)

    def _entries_of(self, subdir: str) -> tuple[ChannelEntry, ...]:
        etag, known = self._known.get(subdir, (None, ()))
        found = self._store.read(f"{subdir}/repodata.json", unless=etag)
        if found is None:
            return ()
        if found.etag == etag:
            return known
        entries = read_index(found.content, subdir, label=self.label).entries
        self._known[subdir] = (found.etag, entries)
        return entries

    def _download(self, name: str, size: int, path: Path) -> None:
        if not self._store.save(name, path, most=size):
            raise ForgeError(f"{name} is listed, but not there", where=self.label)

    def _holds(self, package: PackageFile) -> bool:
        """Whether an object that no index lists has this package's name and content.

        Raises:
            ForgeError: if it has other content.
        """
        there = self._store.sha256(f"{package.subdir}/{package.filename}")
        if there is not None and there != package.sha256:
            raise taken(package, there, self.label)
        return there is not None

    def _put(self, package: PackageFile) -> None:
        name = f"{package.subdir}/{package.filename}"
        if not self._store.put_file(name, package.path, package.sha256, package.size):
            # Another publisher was faster, or an earlier attempt arrived after all: what is there decides.
            self._holds(package)

    def _put_beside(
        self, name: str, change: Callable[[bytes | None], bytes | None], content_type: str = "application/json"
    ) -> None:
        """Put what `change` makes of the object, or of None, in its place, unless that is the same."""
        for _ in range(20):
            before = self._store.read(name)
            there = before.content if before else None
            content = change(there)
            if (
                content is None
                or content == there
                or self._store.put(name, content, instead_of=before, content_type=content_type)
            ):
                return
        raise ForgeError(f"{name} was not written: others write there", where=self.label)

    def _index_until_listed(self, wanted: Sequence[ChannelEntry], subdirs: Sequence[str], size: int) -> Listing:
        """The listing once it holds every wanted file, or as it is when the time is over."""
        limit_s = self._patience.upload_limit(size)

        def read() -> Listing:
            with self._turn(size):
                # The turn before may have listed what was put in the meantime.
                listing = by_file(self._entries(subdirs))
                if not all_in(wanted, listing):
                    self._index(subdirs, limit_s)
                    listing = by_file(self._entries(subdirs))
            return listing

        longest = max(self._patience.listing_s, limit_s)
        return listing_when(read, lambda listing: all_in(wanted, listing), limit_s=longest, pause_s=0.2)

    def _turn(self, size: int) -> AbstractContextManager[None]:
        """The turn at the index, for as long as it may take with `size` bytes of new packages."""
        valid_s = 120 + self._patience.upload_limit(size)
        return turn(self._store, wait_s=self._patience.listing_s, valid_s=valid_s)

    def _index(self, subdirs: Sequence[str], limit_s: float) -> None:
        # A solver needs noarch, even an empty one.
        empty = "noarch" not in subdirs and self._store.read("noarch/repodata.json") is None
        for subdir in (*subdirs, *(["noarch"] if empty else [])):
            try:
                self._index_one(subdir, limit_s)
            except ForgeError:
                listed = {entry.filename for entry in self._entries_of(subdir)}
                if not set_aside_unreadable(self._store, subdir, listed=listed):
                    raise
                self._index_one(subdir, limit_s)

    def _index_one(self, subdir: str, limit_s: float, *, force: bool = False) -> None:
        write_index(
            self._store.calls,
            subdir,
            limit_s=limit_s,
            force=force,
            credentials=self._credentials,
            patience=self._patience,
            label=self.label,
        )


def _notes_name(entry: ChannelEntry) -> str:
    return f"{entry.subdir}/{entry.filename}{beside.NOTES}"
