"""Which package variants of a plan start next, and with how many cores: `core.schedule`, with what forge and machine say."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.schedule import Candidate, Machine, expected_seconds, remaining_chains, startable
from wvforge_dagster.cores import cores_of_machine
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.plan import Plan
from wvforge_dagster.orchestration.pools import pool_limits


@dataclass
class Queue:
    """The order of a plan's package variants, and what runs of them.

    Attributes:
        urgency: sorts what is ready: the longest remaining chain first, and of equal ones what most others wait for.
    """

    machine: Machine
    candidates: Mapping[VariantId, Candidate]
    urgency: Mapping[VariantId, tuple[float, int, VariantId]]
    _running: dict[VariantId, tuple[Candidate, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, forge: ForgeOnDisk, plan: Plan, jobs: int) -> Queue:
        """The queue of a plan, with so many builds side by side at most."""
        kinds = {identity: forge.class_of(identity.package).name for identity in forge.catalog.variants}
        seconds = expected_seconds(kinds, {identity: past.seconds for identity, past in forge.history.items()})
        chains = remaining_chains(plan.waits_for, seconds)
        waiting = Counter(other for others in plan.waits_for.values() for other in others)
        cores = {name.package: forge.limits_of(name.package).cores for name in plan.reasons}
        count = cores_of_machine()
        return cls(
            Machine(count, min(jobs, count, len(plan.reasons)), pool_limits(forge.forge.classes)),
            {name: Candidate(name, kinds[name], cores[name.package], seconds[name]) for name in plan.reasons},
            {name: (-chains[name], -waiting[name], name) for name in plan.reasons},
        )

    def start(self, ready: Iterable[VariantId]) -> list[tuple[VariantId, int]]:
        """Those of `ready` that start now, each with its cores; they run until `end` is called."""
        now = time.monotonic()
        ordered = [self.candidates[name] for name in sorted(ready, key=self.urgency.__getitem__)]
        busy = [replace(one, seconds=max(0.0, ends - now)) for one, ends in self._running.values()]
        chosen = startable(ordered, busy, self.machine)
        for one, cores in chosen:
            self._running[one.name] = (replace(one, cores=cores), now + one.seconds)
        return [(one.name, cores) for one, cores in chosen]

    def end(self, identity: VariantId) -> None:
        """It runs no more."""
        del self._running[identity]
