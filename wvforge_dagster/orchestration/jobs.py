"""Jobs: everything that is not partitioned, and one column."""

from __future__ import annotations

from collections import defaultdict

import dagster as dg

from wvforge_dagster.core.columns import Dimensions
from wvforge_dagster.orchestration.assets import package_key, upload_key
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.partitions import partitions_definition


def forge_jobs(forge: ForgeOnDisk) -> list[dg.UnresolvedAssetJobDefinition]:
    """One job for each kind of partitioning, and `everything`.

    A job has one partitioning. ``column`` builds one column (backfill it for several); ``everything`` takes all assets and
    is launched as a backfill from Dagster's UI; the ``wvforge build`` command does the same without a daemon.
    """
    by_dimensions: dict[Dimensions, list[dg.AssetKey]] = defaultdict(list)
    for package in forge.catalog.packages.values():
        by_dimensions[package.dimensions] += [package_key(package.name), upload_key(package.name)]
    jobs = []
    for dimensions, keys in by_dimensions.items():
        name = {0: "unpartitioned", 1: f"column_{''.join(dimensions.names)}"}.get(len(dimensions.names), "column")
        jobs.append(
            dg.define_asset_job(
                name,
                selection=dg.AssetSelection.assets(*keys),
                partitions_def=partitions_definition(dimensions),
                description="Build, test and publish "
                + ("one column of every package in it." if dimensions.values else "every package without variants."),
            )
        )
    return jobs
