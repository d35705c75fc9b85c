"""Whether a listed package fulfils what another one requires."""

from __future__ import annotations

from functools import lru_cache

import rattler
from rattler.package import BuildString

from wvforge_dagster.channels.protocol import ChannelEntry


def version_order(entry: ChannelEntry) -> rattler.Version:
    """What sorts versions as solvers do."""
    return rattler.Version(entry.version)


def fulfils(spec: str, entry: ChannelEntry) -> bool:
    """Whether a package fulfils a spec. One that cannot be understood counts as fulfilled: nothing is removed by it."""
    try:
        return _parsed(spec).matches(_record(entry))
    except Exception:  # rattler has no common class of its errors
        return True


@lru_cache(maxsize=10_000)
def _parsed(spec: str) -> rattler.MatchSpec:
    return rattler.MatchSpec(spec)


@lru_cache(maxsize=10_000)
def _record(entry: ChannelEntry) -> rattler.PackageRecord:
    build = BuildString(entry.build)
    return rattler.PackageRecord(entry.name, entry.version, build, entry.build_number, entry.subdir)
