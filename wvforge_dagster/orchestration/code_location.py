"""The whole forge as Dagster definitions."""

from __future__ import annotations

import dagster as dg

from wvforge_dagster.orchestration.assets import forge_assets
from wvforge_dagster.orchestration.deployment import executor_of
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.gpu_checks import gpu_checks
from wvforge_dagster.orchestration.jobs import column_jobs, everything_job, nightly_job, nightly_schedule, promote_job
from wvforge_dagster.orchestration.notify_sensor import notify_sensor
from wvforge_dagster.orchestration.recipe_files import files_of_recipes
from wvforge_dagster.orchestration.releases_sensor import new_releases_sensor, updates_job
from wvforge_dagster.orchestration.sensors import changed_recipes_sensor


def forge_definitions(forge: ForgeOnDisk) -> dg.Definitions:
    """The assets of the forge, its jobs, its sensors and its schedule."""
    files = files_of_recipes(forge)
    nightly = nightly_job(forge)
    schedule = nightly_schedule(forge, nightly)
    updates = updates_job(forge)
    return dg.Definitions(
        assets=forge_assets(forge, files),
        asset_checks=gpu_checks(forge, files),
        jobs=[
            *column_jobs(forge),
            everything_job(forge),
            nightly,
            updates,
            *([promote_job(forge)] if forge.targets_by_column else []),
        ],
        sensors=[
            changed_recipes_sensor(forge, files),
            new_releases_sensor(forge, updates),
            *([notify_sensor(forge)] if forge.forge.notify else []),
        ],
        schedules=[schedule] if schedule else [],
        executor=executor_of(forge),
    )
