"""The sensor that tells of what Dagster's runs came to: of runs from the UI, of backfills and of other sensors."""

# No `from __future__ import annotations` here: Dagster reads the annotations of the sensor when it is defined.

import dagster as dg

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.orchestration.evidence import derive_statuses
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk, open_forge
from wvforge_dagster.orchestration.telling import tell

INTERVAL_SECONDS = 30

_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def notify_sensor(loaded: ForgeOnDisk) -> dg.SensorDefinition:
    """The sensor ``notify``: once a run ended, looks at the forge as `build_forge` does at its end, and tells what is new.

    A run does not tell by itself: it would wait for targets, and it would need the addresses beside build scripts. What is told
    follows from the states; the cursor, the last run that ended, only saves looks.
    """

    @dg.sensor(
        name="notify",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells the recipients of forge.yaml what came of runs: first failures, complete columns, and what became "
        "solvable.",
    )
    def notify(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        last = _last_ended(context.instance)
        if last == (context.cursor or ""):
            return dg.SkipReason("no run ended since the last look")
        try:
            forge = open_forge(loaded.settings)
            faults = tell(forge, derive_statuses(forge))
        except ForgeError as fault:
            return dg.SkipReason(f"the forge cannot be read: {fault}")
        context.update_cursor(last)
        return dg.SkipReason("; ".join(map(str, faults)) or "everybody was told what is new")

    return notify


def _last_ended(instance: dg.DagsterInstance) -> str:
    """The run that ended last; empty if none did."""
    found = instance.get_run_records(dg.RunsFilter(statuses=_ENDED), limit=1, order_by="update_timestamp")
    return "".join(f"{record.dagster_run.run_id} {record.update_timestamp.isoformat()}" for record in found)
