"""The whole forge as Dagster definitions."""

from __future__ import annotations

import dagster as dg

from wvforge_dagster.orchestration.assets import package_asset, upload_asset
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.jobs import forge_jobs


def forge_definitions(forge: ForgeOnDisk) -> dg.Definitions:
    """One package asset and one upload asset for each package, and the jobs."""
    packages = forge.catalog.packages.values()
    return dg.Definitions(
        assets=[
            *(package_asset(forge, package) for package in packages),
            *(upload_asset(forge, package) for package in packages),
        ],
        jobs=forge_jobs(forge),
    )
