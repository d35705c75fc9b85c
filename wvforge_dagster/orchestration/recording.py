"""Telling Dagster of packages that are up to date and that it has no record of: its storage may be new, or a process may have
been killed between publishing and recording. The truth lies in the channels; Dagster's pages then show it too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import dagster as dg

from wvforge_dagster.core.columns import UNPARTITIONED
from wvforge_dagster.core.state import UP_TO_DATE, State, Status
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.keys import package_key, upload_key
from wvforge_dagster.orchestration.locks import is_run_alive
from wvforge_dagster.orchestration.metadata import artifacts_metadata, decision
from wvforge_dagster.orchestration.run_worker import PACKAGE_TAG


def record_up_to_date(instance: dg.DagsterInstance, statuses: Iterable[Status]) -> int:
    """Report a materialization for each package variant that is up to date and unknown to Dagster. Returns how many."""
    by_package: dict[str, list[Status]] = defaultdict(list)
    for status in statuses:
        if status.state in UP_TO_DATE:
            by_package[status.id.package].append(status)
    count = 0
    for name, found in by_package.items():
        for key, states in ((package_key(name), UP_TO_DATE), (upload_key(name), {State.PUBLISHED})):
            wanted = [status for status in found if status.state in states]
            known = (
                _known(instance, key, partitioned=any(status.id.partition for status in wanted)) if wanted else set()
            )
            for status in wanted:
                if status.id.partition not in known:
                    instance.report_runless_asset_event(_materialization(key, status))
                    count += 1
    return count


def end_dead_runs(instance: dg.DagsterInstance, forge: ForgeOnDisk) -> int:
    """Mark the runs of `run_plan` as failed whose process was killed: they say STARTED, and nobody runs them."""
    count = 0
    unfinished = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.NOT_STARTED]
    for record in instance.get_run_records(dg.RunsFilter(statuses=unfinished)):
        run = record.dagster_run
        # A run of `run_plan` holds its lock from before it is in Dagster's storage until its end is.
        if PACKAGE_TAG not in run.tags or is_run_alive(forge, run.run_id):
            continue
        now = instance.get_run_by_id(run.run_id)
        if now is not None and not now.is_finished:
            instance.report_run_failed(run, "the process that ran it was killed")
            count += 1
    return count


def _known(instance: dg.DagsterInstance, key: dg.AssetKey, *, partitioned: bool) -> set[str]:
    if partitioned:
        return set(instance.get_materialized_partitions(key))
    return {UNPARTITIONED} if instance.get_latest_materialization_event(key) else set()


def _materialization(key: dg.AssetKey, status: Status) -> dg.AssetMaterialization:
    metadata = decision("found in the channels", "not built") | artifacts_metadata(status.artifacts)
    return dg.AssetMaterialization(
        asset_key=key,
        partition=status.id.partition or None,
        description="Found up to date in the channels; nothing was built.",
        metadata=metadata,
    )
