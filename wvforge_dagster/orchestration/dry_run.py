"""What a build would do, in words. Nothing is built, asked or written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.state import State, Status
from wvforge_dagster.orchestration.build_forge import Wanted, plan_of
from wvforge_dagster.orchestration.evidence import derive_statuses
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.plan import Plan


def dry_run(forge: ForgeOnDisk, wanted: Wanted) -> Iterable[str]:
    """What `build_forge` would do first, in the order in which it would: what, why, and where it would be published.

    Remote targets are not asked: they count as they were when they were last asked. What a build changes may make more
    necessary, and that is not known before.
    """
    statuses = derive_statuses(forge)
    plan = plan_of(forge, wanted, statuses)
    for identity, reason in plan.reasons.items():
        yield from _lines(forge, identity, statuses[identity], reason, wanted)
    for identity in wanted.selected:
        if identity in plan.given_up:
            yield f"would not try again: {identity}: {statuses[identity].reason} (give --retry-failed)"
        if statuses[identity].state is State.ELSEWHERE:
            yield f"elsewhere: {identity}: {statuses[identity].reason}"
    yield _sum(plan, statuses, wanted)


def _lines(forge: ForgeOnDisk, identity: VariantId, status: Status, reason: str, wanted: Wanted) -> Iterable[str]:
    only_publish = status.state is State.STAGED and identity not in wanted.force
    if not only_publish:
        verb = "test" if status.tests_only and identity not in wanted.force else "build"
        yield f"would {verb}: {identity}: {reason}"
    if not wanted.publish:
        return
    names = " ".join(artifact.filename for artifact in status.artifacts) if only_publish else "what comes out"
    now = [
        channel.label for _, channel in forge.targets_at_once(identity.package) if channel.label not in status.channels
    ]
    if now:
        yield f"would publish: {identity}: {names} to {', '.join(now)}"
    later = [channel.label for target, channel in forge.targets_by_column if target.takes(identity.package)]
    if later and not only_publish:
        yield f"would wait: {identity}: for its column, before {', '.join(later)}"


def _sum(plan: Plan, statuses: Mapping[VariantId, Status], wanted: Wanted) -> str:
    published = [i for i in plan.reasons if statuses[i].state is State.STAGED and i not in wanted.force]
    return f"{len(plan.reasons) - len(published)} to build or test, {len(published)} to publish only; nothing was done"
