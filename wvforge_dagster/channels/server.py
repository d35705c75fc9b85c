"""What channels on servers have in common: uploads one by one, read back from the server's own index."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rattler.networking import Client
from rattler.package_streaming import PackageArchive

from wvforge_dagster.channels.credentials import KEY_VARIABLES
from wvforge_dagster.channels.package_archive import check_unchanged, identify, read_files
from wvforge_dagster.channels.patience import TransientError, patiently
from wvforge_dagster.channels.protocol import NO_DOCUMENTS, ChannelEntry, Discrepancy, Documents, Verified
from wvforge_dagster.channels.publication import confirm, not_yet_listed, still_listed
from wvforge_dagster.channels.remote import Access, RemoteChannel, all_in, listing_when
from wvforge_dagster.channels.remote_index import RemoteIndex
from wvforge_dagster.channels.repodata import Listing, by_file
from wvforge_dagster.channels.upload import Uploaded, refuse_removal, remove, upload
from wvforge_dagster.channels.verification import ASK, REPLACE, compare
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.package_file import PackageFile
from wvforge_dagster.rattler_calls import first_line, wait_for


def as_bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def as_api_key(secret: str) -> dict[str, str]:
    return {"X-API-Key": secret}


def as_user_token(secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"token:{secret}".encode()).decode()}


def as_nothing(secret: str) -> dict[str, str]:
    """For servers whose channels are read without credentials."""
    return {}


@dataclass(frozen=True)
class Service:
    """One channel on one server, and what its kind does in its own way.

    Attributes:
        kind: as in forge.yaml.
        label: the channel as the user wrote it.
        server: what is uploaded to.
        url: what a solver reads.
        arguments: what `upload_worker` needs to know besides the file, the server and the key.
        shown_to_read: the headers that show the key to a server that is read.
    """

    kind: str
    label: str
    server: str
    url: str
    arguments: Mapping[str, str]
    shown_to_read: Callable[[str], dict[str, str]] = as_bearer


class ServerChannel(RemoteChannel):
    """Packages on a server, uploaded in a process of their own and read back from the server's own index."""

    keeps_documents = False

    def __init__(self, service: Service, access: Access) -> None:
        super().__init__(service.label, service.url, access)
        self._service = service
        self._index = RemoteIndex(
            service.url,
            credentials=access.credentials,
            patience=access.patience,
            label=service.label,
            headers=self._headers,
            key_variable=KEY_VARIABLES[service.kind],
        )

    def read(self, entry: ChannelEntry, names: Sequence[str]) -> Mapping[str, bytes | None]:
        """See `Channel.read`: a part of the package, by range requests, where the server allows it.

        Raises:
            ForgeError: if the package cannot be read.
        """
        url = f"{self.url}/{entry.subdir}/{entry.filename}"
        headers = self._headers()

        def attempt() -> Mapping[str, bytes | None]:
            try:
                # Of the headers only Authorization is left out where a server sends the reader to another one.
                return wait_for(_read_parts(url, names, headers if "Authorization" in headers else {}))
            except Exception as error:  # rattler has no common class of its errors
                if headers and "Authorization" not in headers:
                    return self._read_whole(entry, names)
                raise TransientError(self._credentials.redact(first_line(error))) from None

        what = f"{entry.filename} cannot be read"
        return patiently(what, attempt, patience=self._patience, label=self.label)

    def notes(self, entry: ChannelEntry) -> tuple[dict[str, Any], ...]:
        """None: the server takes packages only."""
        return ()

    def add_notes(self, entry: ChannelEntry, notes: Sequence[dict[str, Any]]) -> None:
        """Nothing: the server takes packages only."""

    def publish(self, packages: Sequence[PackageFile], documents: Documents = NO_DOCUMENTS) -> tuple[ChannelEntry, ...]:
        """See `Channel.publish`. Packages before one that fails stay uploaded: a server takes them one by one.

        Raises:
            ForgeError: if a package is not what it is said to be, is there with other content, cannot be uploaded, or
                is not listed as it was uploaded within the patience's time.
        """
        wanted = [identify(package) for package in packages]
        subdirs = sorted({entry.subdir for entry in wanted})
        listing = by_file(self._entries(subdirs))
        missing = not_yet_listed(packages, listing, self.label)
        for package in missing:
            check_unchanged(package)
            self._upload(package)
        if missing:
            listing = self._wait_for_listing(wanted, subdirs)
        return confirm(wanted, listing, self.label)

    def verify(self, *, quick: bool = False) -> Verified:
        """See `Channel.verify`. A server does not tell which files it has besides those that it lists.

        Raises:
            ForgeError: if its index cannot be read.
        """
        indexes = self._index.indexes(self._subdirs)
        entries = [entry for index in indexes.values() for entry in index.entries]
        with ThreadPoolExecutor(max_workers=4) as pool:
            found = pool.map(lambda entry: self._verify(entry, quick=quick), entries)
            findings = [finding for finding in found if finding is not None]
        for subdir, index in indexes.items():
            findings += index.findings(f"{self.label}/{subdir}/repodata.json", f"they count as nothing; {ASK}")
        seen = ("files that are not listed: the server does not tell them",)
        return Verified(
            tuple(sorted(findings)), len(entries), (*seen, *(["contents: only sizes were compared"] if quick else []))
        )

    def reindex(self) -> tuple[str, ...]:
        """Refused: the server writes its index by itself.

        Raises:
            ForgeError: always.
        """
        raise ForgeError("its server writes the index itself", where=self.label, remedy="there is nothing to repair")

    def ensure_removable(self) -> None:
        """See `Channel.ensure_removable`: it depends on the kind of server, and on anaconda.org on the label."""
        refuse_removal(self._service.kind, self.label, self._service.arguments)

    def remove(self, entries: Sequence[ChannelEntry]) -> None:
        """See `Channel.remove`: the server takes a package out of its index when it deletes it.

        Raises:
            ForgeError: if it is listed with another content, the server refuses, or lists it still after the patience's time.
        """
        self.ensure_removable()
        subdirs = sorted({entry.subdir for entry in entries})
        gone = still_listed(entries, by_file(self._entries(subdirs)), self.label)
        for entry in gone:
            remove(
                entry,
                kind=self._service.kind,
                url=self._service.server,
                arguments=self._service.arguments,
                credentials=self._credentials,
                patience=self._patience,
                label=self.label,
            )

        def read() -> Listing:
            return by_file(self._entries(subdirs))

        def is_done(listing: Listing) -> bool:
            return not any((entry.subdir, entry.filename) in listing for entry in gone)

        if gone and not is_done(listing_when(read, is_done, limit_s=self._patience.listing_s, pause_s=0.5)):
            raise ForgeError("what was removed is still in its repodata", where=self.label, remedy="try again later")

    def _headers(self) -> dict[str, str]:
        """What the server that is read is shown."""
        secret = self._credentials.secret_for(self._service.kind, self.url)
        return self._service.shown_to_read(secret) if secret else {}

    def _read_whole(self, entry: ChannelEntry, names: Sequence[str]) -> Mapping[str, bytes | None]:
        with TemporaryDirectory() as folder:
            return read_files(self.fetch(entry, Path(folder)).path, names)

    def _upload(self, package: PackageFile) -> None:
        service = self._service
        outcome = upload(
            package,
            kind=service.kind,
            url=service.server,
            arguments=service.arguments,
            credentials=self._credentials,
            patience=self._patience,
            label=self.label,
        )
        if outcome is Uploaded.ALREADY_THERE:
            # Another publisher was faster, or an earlier attempt arrived after all: what is there decides.
            key = (package.subdir, package.filename)
            listing = self._wait_for_listing([identify(package)], [package.subdir])
            if key in listing:
                not_yet_listed([package], listing, self.label)

    def _wait_for_listing(self, wanted: Sequence[ChannelEntry], subdirs: Sequence[str]) -> Listing:
        """The server's listing once it holds every wanted file, or as it is when the time is over."""
        return listing_when(
            lambda: by_file(self._entries(subdirs)),
            lambda listing: all_in(wanted, listing),
            limit_s=self._patience.listing_s,
            pause_s=0.5,
        )

    def _entries(self, subdirs: Sequence[str]) -> tuple[ChannelEntry, ...]:
        return self._index.entries(subdirs)

    def _download(self, name: str, size: int, path: Path) -> None:
        self._index.download(name, size, path)

    def _verify(self, entry: ChannelEntry, *, quick: bool) -> Discrepancy | None:
        name = f"{entry.subdir}/{entry.filename}"
        try:
            size, sha256 = self._index.measure(name, entry.size, whole=not quick)
        except ForgeError as fault:
            return Discrepancy(f"{self.label}/{name}", f"is listed, but {fault.what}", fault.remedy or ASK)
        return compare(entry, size, sha256, where=f"{self.label}/{name}", remedy=REPLACE)


async def _read_parts(url: str, names: Sequence[str], headers: dict[str, str]) -> dict[str, bytes | None]:
    client = Client(headers=headers or None, timeout=300)
    return await (await PackageArchive.from_url(client, url)).read_files(names)
