"""What starts next: the order of package variants that are ready, and what of the machine each gets. Pure."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any, TypeVar

Name = TypeVar("Name")


@dataclass(frozen=True)
class Candidate:
    """A package variant that is ready, or runs.

    Attributes:
        kind: its class.
        cores: what it takes of the machine, whatever else runs; None for a share.
        seconds: how long it will take, or go on.
    """

    name: Any
    kind: str
    cores: int | None
    seconds: float


@dataclass(frozen=True)
class Machine:
    """What builds share.

    Attributes:
        cores: there are so many, and builds side by side take no more.
        jobs: builds side by side, at most.
        at_once: bounds of classes; those that are not in it have none.
    """

    cores: int
    jobs: int
    at_once: Mapping[str, int]


def expected_seconds(kinds: Mapping[Name, str], past: Mapping[Name, float]) -> dict[Name, float]:
    """How long each will take: as long as its last time; else the median of its class; else that of all; else 1.

    Args:
        kinds: the class of each.
        past: seconds of the last time of those that were built before.
    """
    by_kind: dict[str, list[float]] = {}
    for name, seconds in past.items():
        if name in kinds:
            by_kind.setdefault(kinds[name], []).append(seconds)
    known = [seconds for found in by_kind.values() for seconds in found]
    of_all = statistics.median(known) if known else 1.0
    medians = {kind: statistics.median(found) for kind, found in by_kind.items()}
    return {name: past[name] if name in past else medians.get(kind, of_all) for name, kind in kinds.items()}


def remaining_chains(waits_for: Mapping[Name, Collection[Name]], seconds: Mapping[Name, float]) -> dict[Name, float]:
    """For each, the seconds of the longest chain that begins with it: itself, one that waits for it, and so on.

    No number of machines gets through it in less, so the longest is started first (critical path scheduling; Graham, 1966).

    Args:
        waits_for: what each waits for, among the same.
    """
    chains: dict[Name, float] = dict.fromkeys(waits_for, 0.0)
    for name in reversed([*TopologicalSorter(waits_for).static_order()]):
        chains[name] += seconds[name]
        for other in waits_for[name]:
            chains[other] = max(chains[other], chains[name])
    return chains


def startable(
    ready: Sequence[Candidate], running: Iterable[Candidate], machine: Machine
) -> list[tuple[Candidate, int]]:
    """Which of `ready`, the most urgent first, start beside what is running, and how many cores each gets.

    One that asks for more cores than are free keeps its turn: after it only those start that will be done before it could start
    in any case (backfilling; Lifka, 1995). Shares are as large as what can start beside them leaves.

    Args:
        running: with the cores that each has, and the seconds that it will go on.
    """
    busy = list(running)
    chosen: list[tuple[Candidate, int]] = []
    until = float("inf")
    for position, candidate in enumerate(ready):
        if _is_kept_out(candidate, busy, machine) or candidate.seconds > until:
            continue
        free = machine.cores - sum(other.cores or 1 for other in busy)
        if len(busy) >= machine.jobs or free < 1:
            break
        cores = min(candidate.cores or 1, machine.cores)
        if cores > free:
            until = min(until, _seconds_until(cores, busy, machine))
            continue
        if candidate.cores is None:
            cores = free // (1 + _beside(ready[position + 1 :], [*busy, candidate], free, machine)) or 1
        busy.append(Candidate(candidate.name, candidate.kind, cores, candidate.seconds))
        chosen.append((candidate, cores))
    return chosen


def _is_kept_out(candidate: Candidate, busy: Sequence[Candidate], machine: Machine) -> bool:
    """Whether so many of its class run as may."""
    most = machine.at_once.get(candidate.kind)
    return most is not None and Counter(other.kind for other in busy)[candidate.kind] >= most


def _seconds_until(cores: int, busy: Sequence[Candidate], machine: Machine) -> float:
    """When so many cores will be free, if nothing starts."""
    free = machine.cores - sum(other.cores or 1 for other in busy)
    for other in sorted(busy, key=lambda other: other.seconds):
        free += other.cores or 1
        if free >= cores:
            return other.seconds
    return 0.0


def _beside(rest: Sequence[Candidate], busy: Sequence[Candidate], free: int, machine: Machine) -> int:
    """How many of the rest could start beside what is busy then, if they are left a core, or what they ask for."""
    count = 0
    for candidate in rest:
        if len(busy) + count >= machine.jobs:
            break
        if not _is_kept_out(candidate, busy, machine) and (candidate.cores or 1) < free:
            count += 1
    return count
