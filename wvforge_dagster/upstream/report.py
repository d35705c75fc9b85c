"""What assembling an upstream channel tells its caller: events while it works, a report at the end."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

EventKind = Literal["waiting", "fetching", "making", "made", "kept", "missing", "removed", "indexing"]


@dataclass(frozen=True)
class UpstreamEvent:
    """One step of the work.

    Args:
        kind: what happens; ``waiting`` is for another process that assembles the same channel.
        name: the file or package that it concerns.
        detail: more about it in plain words, empty where there is nothing to add.
        done: packages and sources that are finished, this one included where it is.
        total: packages and sources that the manifest asks for.
    """

    kind: EventKind
    name: str
    detail: str
    done: int
    total: int


@dataclass(frozen=True)
class MissingPackage:
    """A package that the manifest asks for and this machine cannot give.

    Args:
        name: name of the conda package.
        spec: the versions that are missing, as in a requirement (``3.13.*``).
        reason: why, in one line.
    """

    name: str
    spec: str
    reason: str

    def as_json(self) -> dict[str, str]:
        """The object that stands in the channel's ``missing.json``."""
        return asdict(self)


@dataclass(frozen=True)
class UpstreamReport:
    """What one call of ``assemble`` did.

    Args:
        made: file names of packages and sources made or fetched by this call.
        kept: file names that were there already.
        missing: packages that could not be made on this machine.
    """

    made: tuple[str, ...]
    kept: tuple[str, ...]
    missing: tuple[MissingPackage, ...]
