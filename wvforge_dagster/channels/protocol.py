"""What every kind of channel can do. Code outside this package knows channels only through these names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from wvforge_dagster.core.package_file import PackageFile


@dataclass(frozen=True, order=True)
class ChannelEntry:
    """One package as a channel's repodata lists it.

    Attributes:
        sha256: lower-case hex digest of the file.
        size: bytes.
        depends: the specs of what it requires to run, as the channel has them: what makes no other package of it.
    """

    subdir: str
    filename: str
    name: str
    version: str
    build: str
    build_number: int
    sha256: str
    size: int
    depends: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, order=True)
class Discrepancy:
    """Something in a channel that is not as its index or the forge has it, in one line: where, what, and what to do."""

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.remedy}"


@dataclass(frozen=True)
class Verified:
    """What a look at a whole channel found.

    Attributes:
        findings: what is wrong, in order of place.
        checked: how many listed files were compared.
        unchecked: what this kind does not let see, in words.
    """

    findings: tuple[Discrepancy, ...]
    checked: int
    unchecked: tuple[str, ...] = ()


Documents = Mapping[str, Mapping[str, bytes]]
"""What is to lie beside packages (see `beside`): by the sha256 of a package, contents by ending."""

NO_DOCUMENTS: Documents = {}


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
        """Whether `entries`, `read` and `notes` answer without a network."""

    @property
    def keeps_documents(self) -> bool:
        """Whether files can lie beside a package, to be read at the package's address with their ending."""

    def entries(self) -> tuple[ChannelEntry, ...]:
        """Every package that the channel's repodata lists, in order of subdir and filename.

        A channel that does not exist yet has none. Raises ForgeError if it cannot be reached or read.
        """

    def read(self, entry: ChannelEntry, names: Sequence[str]) -> Mapping[str, bytes | None]:
        """Files of a listed package by their names in it, such as ``info/about.json``; None for those that it lacks.

        A remote channel reads a part of the package where its server allows it, not the whole. Raises ForgeError if the
        package is gone, cannot be read, or is not what the index lists.
        """

    def fetch(self, entry: ChannelEntry, folder: Path) -> PackageFile:
        """The listed package as a file on this machine, in `folder` if it has to be copied; of the listed sha256.

        Raises ForgeError if it cannot be had.
        """

    def notes(self, entry: ChannelEntry) -> tuple[dict[str, Any], ...]:
        """What was added to a listed package with `add_notes`, the oldest first; none where a kind has no place for notes."""

    def add_notes(self, entry: ChannelEntry, notes: Sequence[dict[str, Any]]) -> None:
        """Keep notes (values of JSON) beside a listed package, the newest last; one that is there already becomes the newest.

        A kind may have no place for them.
        """

    def publish(self, packages: Sequence[PackageFile], documents: Documents = NO_DOCUMENTS) -> tuple[ChannelEntry, ...]:
        """Put packages into the channel and return them as read back from its repodata, in the same order.

        Their documents lie beside them before the index lists them, also beside packages that are there already; a kind that
        keeps none leaves them out.

        A package that is there with the same sha256 is left as it is; one that is there with another is
        refused before anything is written.
        """

    def verify(self, *, quick: bool = False) -> Verified:
        """Compare every file with the index. What is wrong is a finding; a file that cannot be read is one, and stops nothing.

        Args:
            quick: compare sizes only; otherwise each file is read whole.

        Raises:
            ForgeError: if the channel cannot be reached.
        """

    def reindex(self) -> tuple[str, ...]:
        """Write the index anew from what lies there. No package is changed.

        Returns:
            The files that are no packages and were set aside under a new name.

        Raises:
            ForgeError: if it cannot be written, or the server of this kind writes it by itself.
        """

    def ensure_removable(self) -> None:
        """Raise ForgeError if packages cannot be removed from channels like this one. Asks no network."""

    def remove(self, entries: Sequence[ChannelEntry]) -> None:
        """Take listed packages, with what was noted on them, out of the channel: out of its index first, where this writes it.

        What is gone already is left so.

        Raises:
            ForgeError: if one is listed with another content now, cannot be removed, or `ensure_removable` raises.
        """

    def put_page(self, text: str) -> None:
        """Put a page for people (HTML) at the channel's address, instead of an older one of ours.

        A kind may have no place for one. One that is there and not ours is left.

        Raises:
            ForgeError: if it cannot be written.
        """
