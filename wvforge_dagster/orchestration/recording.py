"""Telling Dagster of packages that are up to date and that it does not show as such: its storage may be new, a process may have
been killed between publishing and recording, or the last run may have failed before the cause was taken back. The truth lies in
the channels; Dagster's pages then show it too.
"""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.instance import InstanceRef
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

from wvforge_dagster.core.digest import digest
from wvforge_dagster.core.state import UP_TO_DATE, State, Status
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.instance import open_quiet_instance, storage_faults
from wvforge_dagster.orchestration.keys import package_key, upload_key
from wvforge_dagster.orchestration.locks import is_run_alive
from wvforge_dagster.orchestration.metadata import artifacts_metadata, decision
from wvforge_dagster.orchestration.run_worker import MACHINE_TAG, PACKAGE_TAG
from wvforge_dagster.orchestration.shown import Shown, keep_shown, last_event, mark_of, read_shown
from wvforge_dagster.settings import dagster_home

if TYPE_CHECKING:
    from dagster._core.storage.event_log.base import AssetEntry


def record_up_to_date(instance: dg.DagsterInstance, statuses: Iterable[Status]) -> int:
    """Report a materialization for each package variant that is up to date and that Dagster shows as missing or failed.

    Returns:
        How many were reported.
    """
    by_package: dict[str, list[Status]] = defaultdict(list)
    for status in statuses:
        if status.state in UP_TO_DATE:
            by_package[status.id.package].append(status)
    wanted: dict[dg.AssetKey, list[Status]] = {}
    for name, found in by_package.items():
        wanted[package_key(name)] = found
        wanted[upload_key(name)] = [status for status in found if status.state is State.PUBLISHED]
    wanted = {key: found for key, found in wanted.items() if found}
    everything = digest([[key.to_string(), [status.id.partition for status in found]] for key, found in wanted.items()])
    before, now = read_shown(instance), last_event(instance)
    if before.wanted == everything and before.last_event == now and wanted.keys() <= {*instance.get_asset_keys()}:
        return 0
    marks, count = _report(instance, wanted, before.marks)
    if marks.keys() != {key.to_string() for key in wanted} or count:
        everything, now = "", 0
    keep_shown(instance, Shown(marks, everything, now))
    return count


def _report(
    instance: dg.DagsterInstance, wanted: Mapping[dg.AssetKey, list[Status]], known: Mapping[str, str]
) -> tuple[Mapping[str, str], int]:
    """Report what Dagster does not show of `wanted`.

    Args:
        known: the marks of earlier times.

    Returns:
        The marks of what is shown as it is now, and how many were reported.
    """
    entries = _entries(instance, wanted)
    marks: dict[str, str] = {}
    settled: list[dg.AssetKey] = []
    count = 0
    for key, found in wanted.items():
        name, entry = key.to_string(), entries.get(key)
        if entry is not None and known.get(name) == _mark(entry, found):
            marks[name] = known[name]
            continue
        lacking, is_settled = _not_shown(instance, key, found, entry)
        for status in lacking:
            instance.report_runless_asset_event(_materialization(key, status))
        count += len(lacking)
        if is_settled:
            settled.append(key)
    for key, entry in _entries(instance, settled).items():
        # A run that began meanwhile may have failed meanwhile. What was reported here has no run.
        if entry.last_run_id in ("", entries[key].last_run_id if key in entries else None):
            marks[key.to_string()] = _mark(entry, wanted[key])
    return marks, count


def _entries(instance: dg.DagsterInstance, keys: Iterable[dg.AssetKey]) -> dict[dg.AssetKey, AssetEntry]:
    asked = list(keys)
    records = instance.get_asset_records(asked) if asked else ()
    return {record.asset_entry.asset_key: record.asset_entry for record in records}


def _mark(entry: AssetEntry, statuses: Iterable[Status]) -> str:
    return mark_of(entry, (status.id.partition for status in statuses))


def _not_shown(
    instance: dg.DagsterInstance, key: dg.AssetKey, wanted: list[Status], entry: AssetEntry | None
) -> tuple[list[Status], bool]:
    """Those of `wanted` that Dagster does not show as materialized; and whether no run is under way that may change that."""
    if entry is None or entry.last_materialization is None:
        return wanted, entry is None or entry.last_run_id is None
    if not wanted[0].id.partition:
        if entry.last_run_id in (None, entry.last_materialization.run_id):
            return [], True
        last = instance.get_run_by_id(entry.last_run_id)
        return wanted if last is not None and last.is_failure_or_canceled else [], last is None or last.is_finished
    keys = [status.id.partition for status in wanted]
    shown = instance.get_status_by_partition(key, keys, dg.StaticPartitionsDefinition(keys)) or {}
    good = (AssetPartitionStatus.MATERIALIZED, AssetPartitionStatus.IN_PROGRESS)
    lacking = [status for status in wanted if shown.get(status.id.partition) not in good]
    return lacking, AssetPartitionStatus.IN_PROGRESS not in shown.values()


def end_dead_runs(instance: dg.DagsterInstance, forge: ForgeOnDisk) -> int:
    """Mark the runs of `run_plan` as failed whose process was killed: they say STARTED, and nobody runs them."""
    count = 0
    unfinished = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.NOT_STARTED]
    for record in instance.get_run_records(dg.RunsFilter(statuses=unfinished)):
        run = record.dagster_run
        # A run of `run_plan` holds its lock from before it is in Dagster's storage until its end is.
        elsewhere = run.tags.get(MACHINE_TAG, socket.gethostname()) != socket.gethostname()
        if PACKAGE_TAG not in run.tags or elsewhere or is_run_alive(forge, run.run_id):
            continue
        now = instance.get_run_by_id(run.run_id)
        if now is not None and not now.is_finished:
            instance.report_run_failed(run, "the process that ran it was killed")
            count += 1
    return count


def mend_runs(forge: ForgeOnDisk, instance: InstanceRef | None = None) -> None:
    """`end_dead_runs`, in the storage of a forge, or of the instance that this process serves.

    Raises:
        ForgeError: if Dagster's storage cannot be used.
    """
    with open_quiet_instance(forge, instance) as opened, storage_faults(dagster_home(forge.output)):
        end_dead_runs(opened, forge)


def _materialization(key: dg.AssetKey, status: Status) -> dg.AssetMaterialization:
    metadata = decision("found in the channels", "not built") | artifacts_metadata(status.artifacts)
    return dg.AssetMaterialization(
        asset_key=key,
        partition=status.id.partition or None,
        description="Found up to date in the channels; nothing was built.",
        metadata=metadata,
    )
