"""What every kind of channel can do. Code outside this package knows channels only through these names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from wvforge_dagster.core.package_file import PackageFile


@dataclass(frozen=True, order=True)
class ChannelEntry:
    """One package as a channel's repodata lists it.

    Attributes:
        sha256: lower-case hex digest of the file.
        size: bytes.
    """

    subdir: str
    filename: str
    name: str
    version: str
    build: str
    build_number: int
    sha256: str
    size: int


class Channel(Protocol):
    """A place where packages are published.

    A channel says that a package is published only after it has read the package's name, size and sha256
    back from its own repodata. Every fault is a `ForgeError` whose text holds no credential.
    """

    @property
    def label(self) -> str:
        """The channel as the user wrote it, such as ``file:output/channel`` or ``prefix:wv-forge``."""

    @property
    def url(self) -> str:
        """What a solver is given to read from this channel."""

    @property
    def is_local(self) -> bool:
        """Whether `entries` and `provenance` answer without a network."""

    def entries(self) -> tuple[ChannelEntry, ...]:
        """Every package that the channel's repodata lists, in order of subdir and filename.

        A channel that does not exist yet has none. Raises ForgeError if it cannot be reached or read.
        """

    def provenance(self, entry: ChannelEntry) -> dict[str, Any] | None:
        """What the package says of how it was made (``extra.wvforge`` of its about.json), if it says so."""

    def publish(self, packages: Sequence[PackageFile]) -> tuple[ChannelEntry, ...]:
        """Put packages into the channel and return them as read back from its repodata, in the same order.

        A package that is there with the same sha256 is left as it is; one that is there with another is
        refused before anything is written.
        """
