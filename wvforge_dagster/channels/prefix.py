"""A channel of prefix.dev, or of a server that speaks its protocol."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rattler.networking import Client
from rattler.package_streaming import PackageArchive

from wvforge_dagster.channels.credentials import Credentials
from wvforge_dagster.channels.package_archive import check_unchanged, identify
from wvforge_dagster.channels.patience import Patience
from wvforge_dagster.channels.protocol import ChannelEntry
from wvforge_dagster.channels.publication import confirm, not_yet_listed
from wvforge_dagster.channels.remote_index import RemoteIndex
from wvforge_dagster.channels.repodata import Listing, by_file, first_line
from wvforge_dagster.channels.upload import Uploaded, upload
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.package_file import PackageFile
from wvforge_dagster.rattler_calls import wait_for


class PrefixChannel:
    """Packages on a server, uploaded through rattler-build and read back from the server's own index."""

    is_local = False

    def __init__(
        self,
        *,
        url: str,
        channel: str,
        subdirs: Sequence[str],
        credentials: Credentials,
        patience: Patience | None = None,
    ) -> None:
        """
        Args:
            url: the server, such as ``https://prefix.dev``.
            channel: its name there.
            subdirs: the platforms whose packages `entries` tells.
        """
        self._server = url.rstrip("/")
        self._channel = channel
        self._subdirs = tuple(subdirs)
        self._credentials = credentials
        self._patience = patience or Patience()
        self._index = RemoteIndex(self.url, credentials=credentials, patience=self._patience, label=self.label)

    @property
    def label(self) -> str:
        return f"prefix:{self._channel}"

    @property
    def url(self) -> str:
        return f"{self._server}/{self._channel}"

    def entries(self) -> tuple[ChannelEntry, ...]:
        """Every package that the server lists for the channel's platforms.

        Raises:
            ForgeError: if the server cannot be reached, or refuses, with its status and words.
        """
        return self._index.entries(self._subdirs)

    def read(self, entry: ChannelEntry, names: Sequence[str]) -> Mapping[str, bytes | None]:
        """See `Channel.read`: a part of the package, by range requests, where the server allows it.

        Raises:
            ForgeError: if the package cannot be read.
        """
        url = f"{self.url}/{entry.subdir}/{entry.filename}"
        token = self._credentials.bearer_for(self._server)

        async def read() -> dict[str, bytes | None]:
            client = Client(headers={"Authorization": f"Bearer {token}"} if token else None, timeout=300)
            return await (await PackageArchive.from_url(client, url)).read_files(names)

        fault: Exception | None = None
        for pause in (*self._patience.pauses(), 0.0):
            try:
                return wait_for(read())
            except Exception as error:  # rattler has no common class of its errors
                fault = error
                time.sleep(pause)
        words = self._credentials.redact(first_line(fault)) if fault else ""
        raise ForgeError(f"{entry.filename} cannot be read: {words}", where=self.label, remedy="try again later")

    def fetch(self, entry: ChannelEntry, folder: Path) -> PackageFile:
        """See `Channel.fetch`: a download.

        Raises:
            ForgeError: if it cannot be downloaded, or has another content than the index lists.
        """
        path = folder / entry.filename
        self._index.download(f"{entry.subdir}/{entry.filename}", path)
        file = PackageFile.read(path, entry.subdir)
        if file.sha256 != entry.sha256:
            raise ForgeError(f"{entry.subdir}/{entry.filename} is not what its index lists", where=self.label)
        return file

    def notes(self, entry: ChannelEntry) -> tuple[dict[str, Any], ...]:
        """None: the server takes packages only."""
        return ()

    def add_notes(self, entry: ChannelEntry, notes: Sequence[dict[str, Any]]) -> None:
        """Nothing: the server takes packages only."""

    def publish(self, packages: Sequence[PackageFile]) -> tuple[ChannelEntry, ...]:
        """See `Channel.publish`. Packages before one that fails stay uploaded: a server takes them one by one.

        Raises:
            ForgeError: if a package is not what it is said to be, is there with other content, cannot be uploaded, or
                is not listed as it was uploaded within the patience's time.
        """
        wanted = [identify(package) for package in packages]
        subdirs = sorted({entry.subdir for entry in wanted})
        listing = by_file(self._index.entries(subdirs))
        missing = not_yet_listed(packages, listing, self.label)
        for package in missing:
            check_unchanged(package)
            self._upload(package)
        if missing:
            listing = self._wait_for_listing(wanted, subdirs)
        return confirm(wanted, listing, self.label)

    def _upload(self, package: PackageFile) -> None:
        outcome = upload(
            package,
            url=self._server,
            channel=self._channel,
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
        deadline = time.monotonic() + self._patience.listing_s
        pause = 0.5
        while True:
            listing = by_file(self._index.entries(subdirs))
            left = deadline - time.monotonic()
            if left <= 0 or all((entry.subdir, entry.filename) in listing for entry in wanted):
                return listing
            time.sleep(min(pause, left))
            pause = min(pause * 2, 15.0)
