"""What a build would do, in words. Nothing is built, asked or written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.state import State, Status
from wvforge_dagster.orchestration.build_forge import Wanted, plan_of
from wvforge_dagster.orchestration.evidence import derive_statuses
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.run_plan import blocker_of


@dataclass(frozen=True)
class DryRun:
    """What a build would do, in lines, and whether it is known to end with something that is not as it was wanted."""

    lines: tuple[str, ...]
    bad: bool


def dry_run(forge: ForgeOnDisk, wanted: Wanted) -> DryRun:
    """What `build_forge` would do first, in the order in which it would: what, why, and where it would be published.

    Remote targets are not asked: they count as they were when they were last asked. What a build changes may make more
    necessary, and that is not known before.
    """
    statuses = derive_statuses(forge)
    plan = plan_of(forge, wanted, statuses)
    lines: list[str] = []
    bad: dict[VariantId, str] = {}
    for identity in wanted.selected:
        reason = statuses[identity].reason
        if statuses[identity].state is State.ELSEWHERE:
            lines.append(f"elsewhere: {identity}: {reason}")
        elif forge.catalog.packages[identity.package].fault is not None:
            bad[identity] = f"would fail: {identity}: {reason}"
        elif identity in plan.given_up:
            state = statuses[identity].state
            bad[identity] = f"would not try again: {identity}: {state}: {reason} (give --retry-failed)"
        elif identity in plan.reasons:
            blocker = blocker_of(forge, plan, identity, bad.keys())
            if blocker is not None:
                bad[identity] = f"would be blocked: {identity}: by {blocker}"
            elif statuses[identity].state is State.UNSOLVABLE and identity not in wanted.force:
                bad[identity] = f"would solve again: {identity}: {State.UNSOLVABLE} when it was last tried: {reason}"
            else:
                lines += _lines(forge, identity, statuses[identity], plan.reasons[identity], wanted)
    made = [identity for identity in plan.reasons if identity not in bad]
    return DryRun((*lines, *bad.values(), _sum(made, len(bad), statuses, wanted)), bool(bad))


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
    later = [c.label for target, c in forge.targets_of(identity.package) if target.publish == "by-column"]
    if later and not only_publish:
        yield f"would wait: {identity}: for its column, before {', '.join(later)}"


def _sum(made: list[VariantId], bad: int, statuses: Mapping[VariantId, Status], wanted: Wanted) -> str:
    published = [i for i in made if statuses[i].state is State.STAGED and i not in wanted.force]
    left = f", {bad} that cannot be made" if bad else ""
    return f"{len(made) - len(published)} to build or test, {len(published)} to publish only{left}; nothing was done"
