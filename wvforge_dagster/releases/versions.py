"""Which of the releases that a place lists is new."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

import rattler
from packaging.version import InvalidVersion, Version

_EARLY = re.compile(r"(?<![a-z])(a|alpha|b|beta|c|rc|pre|preview|dev|nightly|snapshot)(?![a-z])", re.IGNORECASE)
"""What names a prerelease in a version that is none of Python's."""


@dataclass(frozen=True)
class Release:
    """A release of a recipe's source.

    Attributes:
        commit: of a tag; empty elsewhere.
    """

    version: str
    commit: str = ""


def newest(releases: Iterable[Release], current: str, pattern: str = "*") -> Release | None:
    """The newest release that is newer than `current`, in conda's order; None if there is none.

    Prereleases are passed over, unless the recipe has one; so are versions that no conda package can have.

    Args:
        pattern: of the versions that are looked at.
    """
    early = is_prerelease(current)
    found = [
        (order, release)
        for release in releases
        if fnmatchcase(release.version, pattern)
        and (early or not is_prerelease(release.version))
        and (order := _order(release.version)) is not None
    ]
    best = max(found, key=lambda item: item[0], default=None)
    return best[1] if best is not None and is_newer(best[1].version, current) else None


def is_newer(version: str, than: str) -> bool:
    """Whether a version comes after another one, in conda's order. What cannot be understood comes after nothing."""
    new, old = _order(version), _order(than)
    return new is not None and old is not None and new > old


def is_prerelease(version: str) -> bool:
    try:
        return Version(version).is_prerelease
    except InvalidVersion:
        return _EARLY.search(version) is not None


def _order(version: str) -> rattler.Version | None:
    # A dash would move the borders between name, version and build of a package.
    if not re.fullmatch(r"[0-9A-Za-z._!]{1,63}", version):
        return None
    try:
        return rattler.Version(version)
    except Exception:  # rattler has no common class of its errors
        return None
