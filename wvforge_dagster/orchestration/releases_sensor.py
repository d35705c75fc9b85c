"""New releases, looked for by themselves: the sensor ``new_releases``, and the job ``updates`` that it starts once a day.

It goes by when releases were last asked for, by whom ever: a daemon that was off at some hour asks when it is on again.
"""

# No `from __future__ import annotations` here: Dagster reads the annotations when ops and sensors are defined.

from datetime import UTC, datetime, timedelta

import dagster as dg

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk, open_forge
from wvforge_dagster.orchestration.keys import package_key
from wvforge_dagster.orchestration.sensors import UNFINISHED
from wvforge_dagster.orchestration.updates import last_asked, look_for_releases

DEFAULT_HOURS = 24
INTERVAL_SECONDS = 3600


def updates_job(loaded: ForgeOnDisk) -> dg.JobDefinition:
    """``updates``: what ``wvforge updates`` does. What it finds is an observation of the package's asset."""

    @dg.op(description="Asks for new releases of every recipe's source, and keeps the answers.")
    def ask_for_releases(context: dg.OpExecutionContext) -> None:
        try:
            found = look_for_releases(open_forge(loaded.settings))
        except ForgeError as fault:
            raise dg.Failure(description=str(fault), allow_retries=False) from None
        for item in found:
            if item.fault:
                context.log.warning(str(item))
                continue
            context.log.info(str(item))
            if item.newest:
                metadata = {"new release": item.newest, "recipe has": item.version, "listed at": item.place}
                context.log_event(dg.AssetObservation(package_key(item.package), metadata=metadata))

    @dg.job(name="updates", description="Look for new releases of every recipe's source. Recipes are left as they are.")
    def updates() -> None:
        ask_for_releases()

    return updates


def new_releases_sensor(loaded: ForgeOnDisk, job: dg.JobDefinition) -> dg.SensorDefinition:
    """The sensor ``new_releases``, which starts `job` when releases were not asked for since some hours."""
    hours = loaded.forge.updates or DEFAULT_HOURS
    status = dg.DefaultSensorStatus.RUNNING if loaded.forge.updates is not None else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        name="new_releases",
        job=job,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=status,
        description=f"Looks for new releases of every recipe's source, every {hours} hours.",
    )
    def new_releases(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        try:
            asked = last_asked(open_forge(loaded.settings))
        except ForgeError as fault:
            return dg.SkipReason(f"the forge cannot be read: {fault}")
        due = asked + timedelta(hours=hours) if asked is not None else None
        if due is not None and datetime.now(UTC) < due:
            return dg.SkipReason(f"asked at {asked:%Y-%m-%d %H:%M} UTC; due at {due:%Y-%m-%d %H:%M} UTC")
        # One that was killed looks unfinished for ever.
        recent = datetime.now(UTC) - timedelta(seconds=INTERVAL_SECONDS)
        running = dg.RunsFilter(job_name=job.name, statuses=UNFINISHED, created_after=recent)
        if context.instance.get_runs(running, limit=1):
            return dg.SkipReason("is being asked now")
        return dg.RunRequest()

    return new_releases
