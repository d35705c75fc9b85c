"""What channels have in common that are reached over a network, in buckets and on servers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wvforge_dagster.channels.credentials import Credentials
from wvforge_dagster.channels.patience import Patience
from wvforge_dagster.channels.protocol import ChannelEntry
from wvforge_dagster.channels.repodata import Listing
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.package_file import PackageFile


@dataclass(frozen=True)
class Access:
    """How a channel is reached.

    Attributes:
        subdirs: the platforms whose packages are told: a server is asked for each of them.
    """

    credentials: Credentials
    subdirs: tuple[str, ...]
    patience: Patience = field(default_factory=Patience)


class RemoteChannel:
    """A channel that is reached over a network."""

    is_local = False

    def __init__(self, label: str, url: str, access: Access) -> None:
        """
        Args:
            label: the channel as the user wrote it.
            url: what a solver reads.
        """
        self.label = label
        self.url = url
        self._subdirs = access.subdirs
        self._credentials = access.credentials
        self._patience = access.patience

    def entries(self) -> tuple[ChannelEntry, ...]:
        """Every package that the index lists for the channel's platforms.

        Raises:
            ForgeError: if the server cannot be reached, or refuses, with its status and words.
        """
        return self._entries(self._subdirs)

    def fetch(self, entry: ChannelEntry, folder: Path) -> PackageFile:
        """See `Channel.fetch`: a download.

        Raises:
            ForgeError: if it cannot be downloaded, or has another content than the index lists.
        """
        path = folder / entry.filename
        try:
            self._download(f"{entry.subdir}/{entry.filename}", entry.size, path)
            file = PackageFile.read(path, entry.subdir)
            if file.sha256 != entry.sha256:
                raise ForgeError(f"{entry.subdir}/{entry.filename} is not what its index lists", where=self.label)
        except ForgeError:
            path.unlink(missing_ok=True)
            raise
        return file

    def _entries(self, subdirs: Sequence[str]) -> tuple[ChannelEntry, ...]:
        raise NotImplementedError

    def _download(self, name: str, size: int, path: Path) -> None:
        """Write a file of `size` bytes, and no more of it."""
        raise NotImplementedError


def listing_when(
    read: Callable[[], Listing], is_done: Callable[[Listing], bool], *, limit_s: float, pause_s: float
) -> Listing:
    """What a channel lists once that is as it should be, or as it is when the time is over."""
    deadline = time.monotonic() + limit_s
    while True:
        listing = read()
        left = deadline - time.monotonic()
        if left <= 0 or is_done(listing):
            return listing
        time.sleep(min(pause_s, left))
        pause_s = min(pause_s * 2, 15.0)


def all_in(wanted: Sequence[ChannelEntry], listing: Listing) -> bool:
    """Whether every wanted file is listed."""
    return all((entry.subdir, entry.filename) in listing for entry in wanted)
