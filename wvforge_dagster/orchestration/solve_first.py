"""Solving what was never built before anything of it is compiled: what cannot be solved is told at once, by name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from wvforge_dagster.build.solve import Environment, solve_all
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.state import State, Status
from wvforge_dagster.orchestration.embedded import explain_missing
from wvforge_dagster.orchestration.failures import forget_failure, keep_failure, read_failures
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk, partition_folder
from wvforge_dagster.orchestration.plan import Plan
from wvforge_dagster.orchestration.specs import environments_before_a_build
from wvforge_dagster.orchestration.whole_files import write_whole


def needs_solving(forge: ForgeOnDisk, status: Status) -> bool:
    """Whether a package variant is to be solved before it is built: it was never built, and not solved as it is now."""
    if status.state is State.UNSOLVABLE:
        return True
    return status.state is State.MISSING and _solved_as(forge, status.id) != status.want


def solve_first(
    forge: ForgeOnDisk, plan: Plan, statuses: Mapping[VariantId, Status]
) -> tuple[Plan, Mapping[VariantId, str]]:
    """The plan without what cannot be solved, and why that cannot."""
    asked = [statuses[identity] for identity in plan.reasons if needs_solving(forge, statuses[identity])]
    unsolvable = solve_statuses(forge, asked)
    if not unsolvable:
        return plan, {}
    reasons = {identity: reason for identity, reason in plan.reasons.items() if identity not in unsolvable}
    waits_for = {identity: frozenset(plan.waits_for[identity] - unsolvable.keys()) for identity in reasons}
    given_up = plan.given_up | unsolvable.keys()
    return replace(plan, reasons=reasons, waits_for=waits_for, given_up=given_up), unsolvable


def solve_statuses(forge: ForgeOnDisk, asked: Iterable[Status]) -> Mapping[VariantId, str]:
    """Solve these package variants, and keep the answers. Returns why those cannot be solved that cannot."""
    asked = tuple(asked)
    failures = read_failures(forge) if asked else {}
    channels = forge.upstream_channels
    sections = [
        (status, name, specs)
        for status in asked
        for name, specs in environments_before_a_build(forge.catalog, forge.catalog.variants[status.id])
    ]
    environments = [Environment(specs, channels, forge.forge.platform) for _, _, specs in sections]
    distinct = list(dict.fromkeys(environments))
    solutions = dict(zip(distinct, solve_all(distinct, forge.output / "work", forge.engine_cache), strict=True))
    unsolvable: dict[VariantId, str] = {}
    for (status, name, _), environment in zip(sections, environments, strict=True):
        words = solutions[environment].words
        if words and status.id not in unsolvable:
            reason = explain_missing(forge, f"its {name} environment cannot be solved: {words}")
            unsolvable[status.id] = reason
            failure = Failure(FailureClass.SOLVE, reason, input_digest=status.input_digest, want=status.want)
            keep_failure(forge, status.id, failure)
    for status in asked:
        if status.id not in unsolvable:
            write_whole(_path(forge, status.id), json.dumps({"want": status.want}))
            last = failures.get(status.id)
            if last is not None and last.failure_class is FailureClass.SOLVE:
                forget_failure(forge, status.id)
    return unsolvable


def _solved_as(forge: ForgeOnDisk, identity: VariantId) -> str | None:
    """The want with which a package variant was solved last."""
    try:
        found = json.loads(_path(forge, identity).read_text(encoding="utf-8"))["want"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(found)


def _path(forge: ForgeOnDisk, identity: VariantId) -> Path:
    return forge.output / "cache" / "solved" / identity.package / f"{partition_folder(identity.partition)}.json"
