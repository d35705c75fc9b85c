"""Which builds of a channel are kept, and which may go."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wvforge_dagster.core.columns import matches

FOREIGN = "not made by this forge"


@dataclass(frozen=True)
class Build:
    """A package in a channel, as retention sees it.

    Attributes:
        series: what its builds are counted in: its package variant, output and platform; None: not the forge's own.
        order: sorts the builds of a series: version, build number, time.
        depends: the specs of what it requires to run.
        column: the values of its dimensions.
        current: whether a package variant is up to date with it, or has nothing newer.
        undecided: whether it is not known yet which build its package variant is current with.
    """

    subdir: str
    filename: str
    name: str
    series: Hashable | None
    order: Any = field(hash=False)
    depends: tuple[str, ...]
    column: Mapping[str, str] = field(hash=False)
    current: bool
    undecided: bool = False

    def __str__(self) -> str:
        return f"{self.subdir}/{self.filename}"


@dataclass(frozen=True)
class Retention:
    """What goes, the oldest of a series first, and why the others stay."""

    goes: tuple[Build, ...]
    stays: Mapping[Build, str] = field(hash=False)


NOWHERE: Mapping[str, Sequence[Build]] = {}


def retain(
    builds: Iterable[Build],
    keep: int,
    fulfils: Callable[[str, Build], bool],
    elsewhere: Mapping[str, Sequence[Build]] = NOWHERE,
) -> Retention:
    """Keep of each series the newest `keep` builds, what is or may be current, and what a build that stays depends on.

    A dependency that a build of the same column which stays anyway fulfils takes no older one along.

    Args:
        fulfils: whether a build fulfils a spec.
        elsewhere: what other channels hold, by their labels. All of it stays, as far as is known here; what one of them lacks
            itself, it takes from these builds.
    """
    by_series: dict[Hashable, list[Build]] = defaultdict(list)
    by_name: dict[str, list[Build]] = defaultdict(list)
    stays: dict[Build, str] = {}
    for build in builds:
        by_name[build.name].append(build)
        if build.series is None:
            stays[build] = FOREIGN
        else:
            by_series[build.series].append(build)
    for series in by_series.values():
        series.sort(key=lambda build: build.order, reverse=True)
        for place, build in enumerate(series):
            if place < keep:
                stays[build] = f"number {place + 1} of the newest"
            elif build.current:
                stays[build] = "its package variant has nothing newer"
            elif build.undecided:
                stays[build] = "which build its package variant is current with is not known yet"
    queue = [(build, spec, "") for build in stays for spec in build.depends]
    queue += [
        (build, spec, f" in {label}") for label, others in elsewhere.items() for build, spec in _lacks(others, fulfils)
    ]
    while queue:
        build, spec, of = queue.pop()
        found = _fulfilling(build, spec, by_name, fulfils)
        if found and not any(other in stays for other in found):
            newest = max(found, key=lambda other: other.order)
            stays[newest] = f"{build.filename}{of} depends on it ({spec})"
            queue += [(newest, further, "") for further in newest.depends]
    goes = [build for series in by_series.values() for build in reversed(series) if build not in stays]
    return Retention(tuple(goes), stays)


def _lacks(builds: Sequence[Build], fulfils: Callable[[str, Build], bool]) -> Iterator[tuple[Build, str]]:
    """What builds of one channel require, and none of them fulfils."""
    by_name: dict[str, list[Build]] = defaultdict(list)
    for build in builds:
        by_name[build.name].append(build)
    for build in builds:
        yield from ((build, spec) for spec in build.depends if not _fulfilling(build, spec, by_name, fulfils))


def _fulfilling(
    build: Build, spec: str, by_name: Mapping[str, list[Build]], fulfils: Callable[[str, Build], bool]
) -> list[Build]:
    """The builds that fulfil what a build of their column requires."""
    named = by_name.get(_name_of(spec), [])
    return [other for other in named if matches(build.column, other.column) and fulfils(spec, other)]


def _name_of(spec: str) -> str:
    """The package that a spec is for, which may be said with its channel: ``channel/subdir::name >=1``."""
    found = re.match(r"[A-Za-z0-9._-]+", spec.partition("[")[0].rpartition("::")[2].strip())
    return found[0].lower() if found else ""
