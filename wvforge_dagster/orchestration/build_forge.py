"""Building what is out of date in a forge: what ``wvforge build``, the job ``everything`` and the nightly run do."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from dagster._core.instance import InstanceRef

from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.notices import Notice, night_notice
from wvforge_dagster.core.state import NOT_MADE_HERE, UP_TO_DATE, State, Status
from wvforge_dagster.orchestration.evidence import channel_entries, derive_statuses, mend_channels
from wvforge_dagster.orchestration.failures import read_failures
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.gate import findings_of
from wvforge_dagster.orchestration.instance import open_quiet_instance, storage_faults
from wvforge_dagster.orchestration.isolation import isolation_warning
from wvforge_dagster.orchestration.landing import put_pages
from wvforge_dagster.orchestration.plan import Plan, make_plan
from wvforge_dagster.orchestration.recording import end_dead_runs, mend_runs, record_up_to_date
from wvforge_dagster.orchestration.refreshing import refresh
from wvforge_dagster.orchestration.run_plan import OnEvent, run_plan
from wvforge_dagster.orchestration.solve_first import solve_first
from wvforge_dagster.orchestration.staging import share_all_notes
from wvforge_dagster.orchestration.telling import forge_name, tell
from wvforge_dagster.settings import dagster_home


@dataclass(frozen=True)
class Wanted:
    """What is to be built.

    Attributes:
        selected: package variants, with everything that they need, in dependency order.
        force: of those, the ones that are built although they are up to date, and why.
        retry_failed: try those again that failed with the inputs that they still have.
        publish: upload as well.
        jobs: builds side by side.
        night_began: when the nightly run began that this is a part of, by `time.monotonic`; it is told of.
    """

    selected: tuple[VariantId, ...]
    force: Mapping[VariantId, str] = field(default_factory=dict)
    retry_failed: bool = False
    publish: bool = True
    jobs: int = 2
    night_began: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        statuses: of what was selected, now.
        failed: why those failed that were tried and failed.
        given_up: those that were not tried, because they failed before with the inputs that they still have.
        warnings: what could not be asked, what the package checks found in what was made now and does not block it, and who
            could not be told.
    """

    statuses: Mapping[VariantId, Status]
    failed: Mapping[VariantId, str]
    given_up: frozenset[VariantId]
    publish: bool
    warnings: tuple[ForgeError, ...]

    @property
    def bad(self) -> tuple[Status, ...]:
        """What is not as it was wanted."""
        return tuple(
            status
            for identity, status in self.statuses.items()
            if identity in self.failed
            or status.state not in UP_TO_DATE | NOT_MADE_HERE
            or (status.state is State.STAGED and self.publish and status.goes_to)
        )


def build_forge(
    forge: ForgeOnDisk,
    wanted: Wanted,
    on_plan: Callable[[Plan], None],
    on_event: OnEvent,
    instance: InstanceRef | None = None,
) -> Outcome:
    """Build, test and publish what is out of date, in dependency order.

    What a build changes may make more necessary (a package whose tests run with it): it is planned again until nothing new
    comes, and nothing is tried twice.

    Args:
        on_plan: called with each plan before it is carried out.
        instance: where Dagster records the runs; None for the forge's own.

    Raises:
        ForgeError: if Dagster's storage or a channel's folder cannot be used, or builds cannot be isolated and must be.
    """
    mend_runs(forge, instance)
    mend_channels(forge)
    before = _set_aside(forge)
    warnings = dict(refresh(forge, [channel for _, channel in forge.targets]))
    failed: dict[VariantId, str] = {}
    given_up: set[VariantId] = set()
    tried: set[VariantId] = set()
    isolation: list[ForgeError] = []
    statuses = before_it = derive_statuses(forge)
    pages: list[ForgeError] = []
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"
    while True:
        plan = plan_of(forge, wanted, statuses, frozenset(tried))
        given_up |= plan.given_up
        plan, unsolvable = solve_first(forge, plan, statuses)
        failed |= unsolvable
        tried |= unsolvable.keys()
        if not plan.reasons:
            break
        isolation = [warning] if (warning := isolation_warning(forge)) else []
        on_plan(plan)
        force = frozenset(wanted.force)
        failed |= run_plan(
            forge, plan, on_event, jobs=wanted.jobs, publish=wanted.publish, build=name, force=force, instance=instance
        )
        tried |= plan.reasons.keys()
        refresh(forge, [channel for _, channel in forge.targets])
        statuses = derive_statuses(forge)
    if unsolvable:
        statuses = derive_statuses(forge)
    warnings |= {str(path): _aside_warning(path) for path in sorted(_set_aside(forge) - before)}
    if wanted.publish:
        share_all_notes(forge, statuses.values())
        pages = put_pages(forge) if tried else []
    with open_quiet_instance(forge, instance) as opened, storage_faults(dagster_home(forge.output)):
        end_dead_runs(opened, forge)
        record_up_to_date(opened, statuses.values())
    mine = {identity: statuses[identity] for identity in wanted.selected}
    found = _found_by_checks(forge, [status for status in mine.values() if status.id in tried])
    outcome = Outcome(
        mine,
        failed,
        frozenset(given_up - tried),
        wanted.publish,
        (*forge.warnings, *warnings.values(), *isolation, *pages, *found),
    )
    night = [] if wanted.night_began is None else [_night(forge, before_it, outcome, wanted.night_began)]
    return replace(outcome, warnings=(*outcome.warnings, *tell(forge, statuses, *night)))


def _night(forge: ForgeOnDisk, before: Mapping[VariantId, Status], outcome: Outcome, began: float) -> Notice:
    return night_notice(forge_name(forge), before, outcome.statuses, outcome.bad, time.monotonic() - began)


def plan_of(
    forge: ForgeOnDisk,
    wanted: Wanted,
    statuses: Mapping[VariantId, Status],
    tried: frozenset[VariantId] = frozenset(),
) -> Plan:
    """What of `wanted` has to be made now; nothing that was `tried`."""
    return make_plan(
        forge.catalog,
        statuses,
        read_failures(forge),
        wanted.selected,
        force=wanted.force,
        retry_failed=wanted.retry_failed,
        publish=wanted.publish,
        tried=tried,
    )


def _set_aside(forge: ForgeOnDisk) -> set[Path]:
    """What lies in the channel folders and was set aside, because it is no package."""
    channels = (forge.staging, *(channel for _, channel in forge.targets))
    return {path for channel in channels if isinstance(channel, FolderChannel) for path in channel.set_aside()}


def _aside_warning(path: Path) -> ForgeError:
    words = "was in the way and is no package; it has this name now"
    return ForgeError(words, where=str(path), remedy="look at it, and remove it by hand")


def _found_by_checks(forge: ForgeOnDisk, made: Iterable[Status]) -> Iterator[ForgeError]:
    """What the package checks found in these package variants, as far as they are up to date: one line for each check."""
    staged = {entry.sha256: entry for entry in channel_entries(forge, forge.staging)}
    for status in made:
        for artifact in status.artifacts if status.state in UP_TO_DATE else ():
            if artifact.sha256 in staged:
                several = f" {artifact.name}" if len(status.artifacts) > 1 else ""
                for result in findings_of(forge, status.id.package, staged[artifact.sha256]):
                    yield ForgeError(str(result), where=f"{status.id}{several}")
