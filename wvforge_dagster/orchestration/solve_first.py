"""Solving what was never built before anything of it is compiled: what cannot be solved is told at once, by name."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from wvforge_dagster.build.solve import Environment, solve_all
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.digest import digest
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.state import State, Status
from wvforge_dagster.orchestration.embedded import explain_missing
from wvforge_dagster.orchestration.failures import forget_failure, keep_failure, read_failures
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk, partition_folder
from wvforge_dagster.orchestration.index_only import write_index
from wvforge_dagster.orchestration.plan import Plan
from wvforge_dagster.orchestration.specs import environments_before_a_build, expected_entries, needed_variants
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
    if not asked:
        return {}
    failures = read_failures(forge)
    work = forge.output / "work"
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="expected-", dir=work) as folder:
        sections = [
            (status, name, specs)
            for status in asked
            for name, specs in environments_before_a_build(forge.catalog.variants[status.id])
        ]
        channels = {status.id: _channels(forge, status.id, Path(folder)) for status in asked}
        environments = [
            Environment(specs, channels[status.id], forge.platform_of(status.id.package))
            for status, _, specs in sections
        ]
        distinct = list(dict.fromkeys(environments))
        solutions = dict(zip(distinct, solve_all(distinct, work, forge.engine_cache), strict=True))
    unsolvable: dict[VariantId, str] = {}
    for (status, name, _), environment in zip(sections, environments, strict=True):
        solution = solutions[environment]
        if solution.words and status.id not in unsolvable:
            words = solution.words
            reason = words if solution.unreachable else f"its {name} environment cannot be solved: {words}"
            reason = explain_missing(forge, reason)
            unsolvable[status.id] = reason
            failure_class = FailureClass.FETCH if solution.unreachable else FailureClass.SOLVE
            failure = Failure(failure_class, reason, input_digest=status.input_digest, want=status.want)
            keep_failure(forge, status.id, failure)
    for status in asked:
        if status.id not in unsolvable:
            write_whole(_path(forge, status.id), json.dumps({"want": status.want}))
            last = failures.get(status.id)
            if last is not None and last.failure_class in (FailureClass.SOLVE, FailureClass.FETCH):
                forget_failure(forge, status.id)
    return unsolvable


def _channels(forge: ForgeOnDisk, identity: VariantId, folder: Path) -> tuple[str, ...]:
    """What a package variant is solved against, in order of priority: the packages of the forge that it needs, as they will
    be; the upstream channels; and the forge's other packages, for those of upstream that require one."""
    needed = needed_variants(forge.catalog, forge.catalog.variants[identity])
    own = (_expected(forge, needed, folder),) if needed else ()
    return (*own, *forge.upstream_channels, _expected(forge, tuple(forge.catalog.variants), folder))


def _expected(forge: ForgeOnDisk, variants: tuple[VariantId, ...], folder: Path) -> str:
    """The address of a channel that lists these package variants as they will be."""
    channel = folder / digest([str(identity) for identity in variants])
    if channel.exists():
        return channel.as_uri()
    return write_index(channel, expected_entries(forge.catalog, variants))


def _solved_as(forge: ForgeOnDisk, identity: VariantId) -> str | None:
    """The want with which a package variant was solved last."""
    try:
        found = json.loads(_path(forge, identity).read_text(encoding="utf-8"))["want"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(found)


def _path(forge: ForgeOnDisk, identity: VariantId) -> Path:
    return forge.output / "cache" / "solved" / identity.package / f"{partition_folder(identity.partition)}.json"
