"""A channel in a bucket of S3, or of another server that speaks its protocol."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rattler.networking import Client
from rattler.package_streaming import PackageArchive

from wvforge_dagster.channels import beside
from wvforge_dagster.channels.credentials import Credentials
from wvforge_dagster.channels.package_archive import check_unchanged, identify
from wvforge_dagster.channels.patience import Patience, TransientError, patiently
from wvforge_dagster.channels.protocol import NO_DOCUMENTS, ChannelEntry, Documents
from wvforge_dagster.channels.publication import confirm, not_yet_listed, taken
from wvforge_dagster.channels.repodata import Listing, by_file, first_line, read_repodata
from wvforge_dagster.channels.s3_calls import S3Place
from wvforge_dagster.channels.s3_index import set_aside_unreadable, write_index
from wvforge_dagster.channels.s3_store import S3Store
from wvforge_dagster.channels.s3_turns import turn
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.package_file import PackageFile
from wvforge_dagster.rattler_calls import wait_for


class S3Channel:
    """Packages as objects, each put whole and never over another, with an index beside them that py-rattler writes.

    Two publishers at a time lose nothing: the index is made of what lies in the bucket and written only over the one that was
    read; each publisher reads it back, and indexes again until it lists all of its own packages.
    """

    is_local = False
    keeps_documents = True

    def __init__(
        self,
        place: S3Place,
        *,
        subdirs: Sequence[str],
        credentials: Credentials,
        patience: Patience | None = None,
    ) -> None:
        """
        Args:
            subdirs: the platforms whose packages `entries` tells.
        """
        self._place = place
        self._subdirs = tuple(subdirs)
        self._credentials = credentials
        self._patience = patience or Patience()
        self._store = S3Store(place, credentials=credentials, patience=self._patience, label=self.label)
        self._known: dict[str, tuple[str, tuple[ChannelEntry, ...]]] = {}

    @property
    def label(self) -> str:
        return self._place.url.replace("s3://", "s3:", 1)

    @property
    def url(self) -> str:
        return self._place.url

    def entries(self) -> tuple[ChannelEntry, ...]:
        """Every package that the index lists for the channel's platforms.

        Raises:
            ForgeError: if the server cannot be reached, or refuses, with its status and words.
        """
        return self._entries(self._subdirs)

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

    def fetch(self, entry: ChannelEntry, folder: Path) -> PackageFile:
        """See `Channel.fetch`: a download.

        Raises:
            ForgeError: if it cannot be downloaded, or has another content than the index lists.
        """
        path = folder / entry.filename
        name = f"{entry.subdir}/{entry.filename}"
        if not self._store.save(name, path):
            raise ForgeError(f"{name} is listed, but not there", where=self.label)
        file = PackageFile.read(path, entry.subdir)
        if file.sha256 != entry.sha256:
            raise ForgeError(f"{name} is not what its index lists", where=self.label)
        return file

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

    def _entries(self, subdirs: Sequence[str]) -> tuple[ChannelEntry, ...]:
        ordered = sorted(set(subdirs))
        if not ordered:
            return ()
        with ThreadPoolExecutor(max_workers=len(ordered)) as pool:
            return tuple(entry for found in pool.map(self._entries_of, ordered) for entry in found)

    def _entries_of(self, subdir: str) -> tuple[ChannelEntry, ...]:
        name = f"{subdir}/repodata.json"
        etag, known = self._known.get(subdir, (None, ()))
        found = self._store.read(name, unless=etag)
        if found is None:
            return ()
        if found.etag == etag:
            return known
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / subdir / "repodata.json"
            path.parent.mkdir()
            path.write_bytes(found.content)
            entries = read_repodata(path, subdir, where=f"{self.label}/{name}")
        self._known[subdir] = (found.etag, entries)
        return entries

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

    def _put_beside(self, name: str, change: Callable[[bytes | None], bytes | None]) -> None:
        """Put what `change` makes of the object, or of None, in its place, unless that is the same."""
        for _ in range(20):
            before = self._store.read(name)
            there = before.content if before else None
            content = change(there)
            if content is None or content == there or self._store.put(name, content, instead_of=before):
                return
        raise ForgeError(f"{name} was not written: others write there", where=self.label)

    def _index_until_listed(self, wanted: Sequence[ChannelEntry], subdirs: Sequence[str], size: int) -> Listing:
        """The listing once it holds every wanted file, or as it is when the time is over."""
        limit_s = self._patience.upload_limit(size)
        deadline = time.monotonic() + max(self._patience.listing_s, limit_s)
        pause = 0.2
        while True:
            with turn(self._store, wait_s=self._patience.listing_s, valid_s=120 + limit_s):
                # The turn before may have listed what was put in the meantime.
                listing = by_file(self._entries(subdirs))
                if not _all_in(wanted, listing):
                    self._index(subdirs, limit_s)
                    listing = by_file(self._entries(subdirs))
            left = deadline - time.monotonic()
            if left <= 0 or _all_in(wanted, listing):
                return listing
            time.sleep(min(pause, left))
            pause = min(pause * 2, 15.0)

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

    def _index_one(self, subdir: str, limit_s: float) -> None:
        write_index(
            self._store.calls,
            subdir,
            limit_s=limit_s,
            credentials=self._credentials,
            patience=self._patience,
            label=self.label,
        )


def _all_in(wanted: Sequence[ChannelEntry], listing: Listing) -> bool:
    return all((entry.subdir, entry.filename) in listing for entry in wanted)


def _notes_name(entry: ChannelEntry) -> str:
    return f"{entry.subdir}/{entry.filename}{beside.NOTES}"
