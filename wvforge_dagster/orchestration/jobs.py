"""Jobs: one column, everything, the promotion of columns, and the nightly run with its schedule."""

# No `from __future__ import annotations` here: Dagster reads the annotations of ops when they are defined.

from collections import defaultdict

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._utils.schedules import is_valid_cron_schedule
from pydantic import Field

from wvforge_dagster.core.catalog import Package
from wvforge_dagster.core.classes import HEAVY, LIGHT
from wvforge_dagster.core.columns import Dimensions
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.orchestration.build_forge import Wanted, build_forge
from wvforge_dagster.orchestration.embedded import assemble_upstream
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.keys import package_key, upload_key
from wvforge_dagster.orchestration.nightly import look, wanted_tonight
from wvforge_dagster.orchestration.op_tags import class_tags
from wvforge_dagster.orchestration.plan import Plan, select
from wvforge_dagster.orchestration.promoting import promote, promotion_lines
from wvforge_dagster.orchestration.run_plan import Event
from wvforge_dagster.orchestration.telling import night_told


class EverythingConfig(dg.Config):
    """Settings of the job ``everything``. `jobs`: builds side by side."""

    jobs: int = 2
    retry_failed: bool = False


class NightlyConfig(dg.Config):
    """Settings of the job ``nightly``. `jobs`: builds side by side."""

    jobs: int = 2


class PromoteConfig(dg.Config):
    """Settings of the job ``promote``. `columns`: keys such as ``12.8|3.12``; none: every column that is complete."""

    columns: list[str] = Field(default_factory=list)


def column_jobs(forge: ForgeOnDisk) -> list[UnresolvedAssetJobDefinition]:
    """``column``: every package of one column, with its upload. Backfill it for several columns.

    Packages without variants are part of it, but for those that need packages with variants: they wait for all columns. A
    job has one kind of partitions, so packages that use only one of the two dimensions have a job of their own,
    ``column_python`` or ``column_cuda``.
    """
    by_dimensions: dict[Dimensions, list[dg.AssetKey]] = defaultdict(list)
    for package in _built_here(forge):
        by_dimensions[package.dimensions] += [package_key(package.name), upload_key(package.name)]
    by_dimensions.pop(Dimensions(), None)
    unpartitioned = [key(name) for name in _below_the_columns(forge) for key in (package_key, upload_key)]
    return [
        dg.define_asset_job(
            "column" if len(dimensions.names) > 1 else f"column_{dimensions.names[0]}",
            selection=dg.AssetSelection.assets(*keys, *unpartitioned),
            description="Build, test and publish one column; what is up to date is left as it is.",
        )
        for dimensions, keys in by_dimensions.items()
    ]


def _below_the_columns(forge: ForgeOnDisk) -> list[str]:
    """Packages without variants that need none with variants."""
    found: dict[str, bool] = {}
    for package in _built_here(forge):
        # What is not built here is there, or it blocks what needs it.
        below = all(found.get(name, True) for name in package.needed_names)
        found[package.name] = not package.dimensions.values and below
    return [name for name, below in found.items() if below]


def _built_here(forge: ForgeOnDisk) -> list[Package]:
    return [package for package in forge.catalog.packages.values() if forge.not_built_here(package.name) is None]


def everything_job(forge: ForgeOnDisk) -> dg.JobDefinition:
    """``everything``: what ``wvforge build`` does, as a job: each package variant that is out of date as a run of its own."""

    @dg.op(
        tags=class_tags(forge, HEAVY),
        description="Builds, tests and publishes every package variant that is out of date, in dependency order.",
    )
    def build_everything(context: dg.OpExecutionContext, config: EverythingConfig) -> None:
        assemble_upstream(forge, lambda event: None)
        wanted = Wanted(select(forge.catalog, (), (), ()), retry_failed=config.retry_failed, jobs=config.jobs)
        _carry_out(context, forge, wanted)

    @dg.job(name="everything", description="Build, test and publish everything that is out of date.")
    def everything() -> None:
        build_everything()

    return everything


def nightly_job(forge: ForgeOnDisk) -> dg.JobDefinition:
    """``nightly``: what ``wvforge nightly`` does."""

    @dg.op(
        tags=class_tags(forge, HEAVY),
        description="Solves all environments anew, and builds what changed in a way that matters, is missing or failed.",
    )
    def look_and_build(context: dg.OpExecutionContext, config: NightlyConfig) -> None:
        assemble_upstream(forge, lambda event: None)
        with night_told(forge):
            night = look(forge)
            for line in night.lines():
                context.log.info(line)
            _carry_out(context, forge, wanted_tonight(forge, night, jobs=config.jobs))

    @dg.job(
        name="nightly",
        description="Ask upstream channels, targets and git servers anew, and rebuild what that makes necessary.",
    )
    def nightly() -> None:
        look_and_build()

    return nightly


def promote_job(forge: ForgeOnDisk) -> dg.JobDefinition:
    """``promote``: what ``wvforge channel promote`` does, by default with every column that is complete."""

    @dg.op(
        tags=class_tags(forge, LIGHT),
        description="Publishes whole columns to the targets with `publish: by-column`, once all of a column passed.",
    )
    def promote_columns(context: dg.OpExecutionContext, config: PromoteConfig) -> None:
        keys = tuple(config.columns) or forge.catalog.dimensions.keys()
        try:
            promotions = promote(forge, keys, instance=context.instance.get_ref())
        except ForgeError as fault:
            raise dg.Failure(description=str(fault), allow_retries=False) from None
        for promotion in promotions:
            for line in promotion_lines(promotion):
                context.log.info(line)
        short = [promotion.column for promotion in promotions if promotion.column.lacking and config.columns]
        if short:
            shown = "; ".join(f"{column.key}: {column.progress} passed" for column in short)
            raise dg.Failure(description=f"not promoted: {shown}", allow_retries=False)

    @dg.job(name="promote", description="Publish complete columns to the targets that take whole columns only.")
    def promote_whole_columns() -> None:
        promote_columns()

    return promote_whole_columns


def nightly_schedule(forge: ForgeOnDisk, job: dg.JobDefinition) -> dg.ScheduleDefinition | None:
    """The schedule ``nightly`` at the times of forge.yaml's ``nightly``; None if it has none.

    Raises:
        ForgeError: if that is no cron expression.
    """
    cron = forge.forge.nightly
    if cron is None:
        return None
    if not is_valid_cron_schedule(cron):
        raise ForgeError(
            f"{cron!r} is no time in five cron fields",
            where=str(forge.root / "forge.yaml: nightly"),
            remedy='write minute, hour, day, month, weekday, such as "0 3 * * *"',
        )
    return dg.ScheduleDefinition(
        name="nightly",
        job=job,
        cron_schedule=cron,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="The nightly run, at the times of forge.yaml.",
    )


def _carry_out(context: dg.OpExecutionContext, forge: ForgeOnDisk, wanted: Wanted) -> None:
    """`build_forge` with its events in the run's log; fails the op if something is not as it was wanted."""

    def on_event(event: Event) -> None:
        context.log.info(f"{event.kind}: {event.id}" + (f": {event.text}" if event.text else ""))

    def on_plan(plan: Plan) -> None:
        context.log.info(f"{len(plan.reasons)} of {len(plan.selected)} package variants are to be made")

    outcome = build_forge(forge, wanted, on_plan, on_event, instance=context.instance.get_ref())
    for warning in outcome.warnings:
        context.log.warning(str(warning))
    if outcome.bad:
        shown = "; ".join(f"{status.id}: {outcome.failed.get(status.id, status.reason)}" for status in outcome.bad)
        raise dg.Failure(description=f"{len(outcome.bad)} package variants were not made: {shown}", allow_retries=False)
