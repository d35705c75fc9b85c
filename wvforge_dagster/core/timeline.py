"""How a build went: who worked when, who waited for what, and the chain of needs that no further worker makes shorter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from wvforge_dagster.core.catalog import VariantId

_SAME_MOMENT_S = 0.25
"""A worker that ends a run and one that starts the next are seen through the clocks of two processes."""


@dataclass(frozen=True)
class Ran:
    """The run of one package variant. Times are in seconds since 1970.

    Attributes:
        outcome: ``done`` or ``failed``.
        reason: why it ran, in one line.
    """

    id: VariantId
    started: float
    ended: float
    outcome: str
    reason: str = ""


@dataclass(frozen=True)
class Bar:
    """A run in its place.

    Attributes:
        worker: which of the workers ran it, from 0.
        ready: when everything that it needs of this build was done.
        on_chain: whether it is part of the longest chain.
    """

    ran: Ran
    worker: int
    ready: float
    on_chain: bool

    @property
    def worked(self) -> float:
        """Seconds that it worked."""
        return self.ran.ended - self.ran.started

    @property
    def waited_for_worker(self) -> float:
        """Seconds that it could have run and did not."""
        return max(0.0, self.ran.started - self.ready)


@dataclass(frozen=True)
class Idle:
    """Time in which a worker could do nothing: what was left needed something that was not done."""

    worker: int
    started: float
    ended: float


@dataclass(frozen=True)
class Timeline:
    """One build.

    Attributes:
        bars: in order of their start.
        idle: by worker. Time that is neither here nor in a bar passed between two runs.
        chain: the longest chain of package variants that need one another, by the seconds that they worked.
    """

    bars: tuple[Bar, ...]
    idle: tuple[Idle, ...]
    chain: tuple[VariantId, ...]

    @property
    def started(self) -> float:
        return min(bar.ran.started for bar in self.bars)

    @property
    def ended(self) -> float:
        return max(bar.ran.ended for bar in self.bars)

    @property
    def workers(self) -> int:
        return 1 + max(bar.worker for bar in self.bars)

    @property
    def worked(self) -> float:
        """Seconds, summed over all workers."""
        return sum(bar.worked for bar in self.bars)

    @property
    def chain_seconds(self) -> float:
        return sum(bar.worked for bar in self.bars if bar.on_chain)


def make_timeline(runs: Iterable[Ran], needs: Callable[[VariantId], Iterable[VariantId]]) -> Timeline | None:
    """Put the runs of a build in their places; None if there are none.

    Args:
        needs: what a package variant builds against and runs with.
    """
    ordered = sorted(runs, key=lambda run: (run.started, run.ended, run.id))
    if not ordered:
        return None
    before = _runs_before(ordered, needs)
    chain = _longest_chain(ordered, before)
    workers = _workers(ordered)
    first = ordered[0].started
    bars = tuple(
        Bar(
            run,
            workers[position],
            max((ordered[other].ended for other in before[position]), default=first),
            position in chain,
        )
        for position, run in enumerate(ordered)
    )
    return Timeline(bars, tuple(_idle(bars)), tuple(ordered[position].id for position in chain))


def _runs_before(ordered: list[Ran], needs: Callable[[VariantId], Iterable[VariantId]]) -> list[list[int]]:
    """For each run, those of the same build that it had to wait for."""
    before: list[list[int]] = []
    last: dict[VariantId, int] = {}
    for position, run in enumerate(ordered):
        wanted = (last[other] for other in needs(run.id) if other in last)
        before.append([other for other in wanted if ordered[other].ended <= run.started + _SAME_MOMENT_S])
        last[run.id] = position
    return before


def _longest_chain(ordered: list[Ran], before: list[list[int]]) -> list[int]:
    """By the seconds worked."""
    length: list[float] = []
    through: list[int | None] = []
    for position, run in enumerate(ordered):
        best = max(before[position], key=lambda other: length[other], default=None)
        through.append(best)
        length.append(run.ended - run.started + (length[best] if best is not None else 0.0))
    at: int | None = max(range(len(ordered)), key=lambda position: length[position])
    chain: list[int] = []
    while at is not None:
        chain.append(at)
        at = through[at]
    return chain[::-1]


def _workers(ordered: list[Ran]) -> list[int]:
    """A worker for each run: the one that has been free for the shortest time, so that gaps are where nothing could run."""
    free: list[float] = []
    found: list[int] = []
    for run in ordered:
        able = [worker for worker, since in enumerate(free) if since <= run.started + _SAME_MOMENT_S]
        worker = max(able, key=lambda item: free[item]) if able else len(free)
        if worker == len(free):
            free.append(0.0)
        free[worker] = run.ended
        found.append(worker)
    return found


def _idle(bars: tuple[Bar, ...]) -> Iterable[Idle]:
    """Of each gap between the runs of a worker, the time until something could have run."""
    first, last = bars[0].ran.started, max(bar.ran.ended for bar in bars)
    for worker in range(1 + max(bar.worker for bar in bars)):
        since = first
        mine = [(bar.ran.started, bar.ran.ended) for bar in bars if bar.worker == worker]
        for started, ended in [*mine, (last, last)]:
            could_run = (max(bar.ready, since) for bar in bars if bar.ran.started >= started - _SAME_MOMENT_S)
            until = min(min(could_run, default=started), started)
            if until - since > _SAME_MOMENT_S:
                yield Idle(worker, since, until)
            since = max(since, ended)
