"""Carrying out a plan: one Dagster run per package variant, as many side by side as there are jobs.

Dagster runs and records each (`run_worker`); the standard library's `graphlib` says what is ready, and `queue` what of that
starts first. A failure blocks what needs it and nothing else. Runs are spread over processes, not threads: one Dagster instance
used by two threads can deadlock between its database lock and the logging module's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from graphlib import TopologicalSorter

from dagster._core.instance import InstanceRef

from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.fork_server import start_fork_server
from wvforge_dagster.orchestration.plan import Plan
from wvforge_dagster.orchestration.queue import Queue
from wvforge_dagster.orchestration.run_worker import RunOutcome, open_worker, run_variant
from wvforge_dagster.settings import secrets_here


@dataclass(frozen=True)
class Event:
    """Something that happened to a package variant: ``started``, ``done``, ``failed`` or ``blocked``; `text` says why, or
    what was done."""

    kind: str
    id: VariantId
    text: str = ""


OnEvent = Callable[[Event], None]
KILLED = "the process that ran it was killed; build again to go on"


def run_plan(
    forge: ForgeOnDisk,
    plan: Plan,
    on_event: OnEvent,
    *,
    jobs: int,
    publish: bool,
    build: str,
    force: frozenset[VariantId] = frozenset(),
    instance: InstanceRef | None = None,
) -> Mapping[VariantId, str]:
    """Make the package variants of a plan. Returns why those failed that did, in order of their failing.

    Args:
        build: the name of the build, which its runs have as a tag.
        instance: where Dagster records the runs; None for the forge's own.

    On KeyboardInterrupt every build is ended, with everything that it started, before the interrupt goes on.
    """
    if not plan.reasons:
        return {}
    failed: dict[VariantId, str] = {}
    broken: set[VariantId] = set()
    queue = Queue.of(forge, plan, jobs)
    sorter = TopologicalSorter({identity: sorted(plan.waits_for[identity]) for identity in sorted(plan.waits_for)})
    sorter.prepare()
    ready: list[VariantId] = []
    running: dict[Future[RunOutcome], VariantId] = {}

    def make_pool() -> ProcessPoolExecutor:
        arguments = (forge.root, instance, secrets_here())
        return ProcessPoolExecutor(
            queue.machine.jobs, mp_context=start_fork_server(), initializer=open_worker, initargs=arguments
        )

    pool = make_pool()
    try:
        while sorter.is_active():
            ready += sorter.get_ready()
            blocked = [(identity, blocker_of(forge, plan, identity, broken)) for identity in ready]
            for identity, blocker in blocked:
                if blocker is not None:
                    ready.remove(identity)
                    failed[identity] = f"blocked by {blocker}"
                    broken.add(identity)
                    on_event(Event("blocked", identity, f"blocked by {blocker}"))
                    sorter.done(identity)
            for identity, cores in queue.start(ready):
                ready.remove(identity)
                reason = plan.reasons[identity]
                on_event(Event("started", identity, reason))
                running[pool.submit(run_variant, identity, reason, publish, identity in force, cores, build)] = identity
            if not running:
                continue
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                identity = running.pop(future)
                queue.end(identity)
                outcome = _outcome(future)
                if outcome.error is not None:
                    failed[identity] = outcome.error
                if not outcome.staged:
                    broken.add(identity)
                on_event(Event("failed" if outcome.error else "done", identity, outcome.error or outcome.text))
                sorter.done(identity)
            if any(isinstance(future.exception(), BrokenProcessPool) for future in finished):
                for identity in running.values():
                    queue.end(identity)
                    failed[identity] = KILLED
                    broken.add(identity)
                    on_event(Event("failed", identity, KILLED))
                    sorter.done(identity)
                running.clear()
                _end(pool)
                pool = make_pool()
    except BaseException:
        _end(pool)
        raise
    pool.shutdown()
    return failed


def _outcome(future: Future[RunOutcome]) -> RunOutcome:
    error = future.exception()
    if error is None:
        return future.result()
    words = KILLED if isinstance(error, BrokenProcessPool) else f"{type(error).__name__}: {error}".splitlines()[0]
    return RunOutcome(words, staged=False)


def _end(pool: ProcessPoolExecutor) -> None:
    """End the workers: each ends its build, with everything that this started, before it goes."""
    processes = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        with suppress(ProcessLookupError, ValueError):
            process.terminate()
    for process in processes:
        process.join(timeout=10)
        with suppress(ProcessLookupError, ValueError):
            process.kill()


def blocker_of(forge: ForgeOnDisk, plan: Plan, identity: VariantId, broken: Set[VariantId]) -> VariantId | None:
    """A package variant without which this one cannot be made, and which could not be."""
    variant = forge.catalog.variants[identity]

    def is_broken(other: VariantId) -> bool:
        return other in broken or other in plan.given_up or forge.catalog.packages[other.package].fault is not None

    for other in variant.builds_against:
        if is_broken(other):
            return other
    for name in {other.package for other in variant.runs_with}:
        others = [other for other in variant.runs_with if other.package == name]
        if all(is_broken(other) for other in others):
            return others[0]
    return None
