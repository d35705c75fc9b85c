"""Running GPU tests as Dagster runs: what ``wvforge gpu-test`` does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import dagster as dg

from wvforge_dagster.build.gpu_tests import find_gpu
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.gpu import GpuState
from wvforge_dagster.core.state import UP_TO_DATE, Status
from wvforge_dagster.orchestration.assets import forge_assets
from wvforge_dagster.orchestration.evidence import derive_statuses
from wvforge_dagster.orchestration.explain import variants_of
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.gpu_checks import gpu_checks
from wvforge_dagster.orchestration.gpu_testing import NO_GPU
from wvforge_dagster.orchestration.instance import open_quiet_instance, storage_faults
from wvforge_dagster.orchestration.keys import GPU, package_key
from wvforge_dagster.settings import dagster_home


def to_test(forge: ForgeOnDisk, package: str | None, partition: str | None) -> tuple[Status, ...]:
    """The package variants whose GPU tests are to run: the named ones, or those of all packages that have not passed.

    Raises:
        ForgeError: if the forge has no such package or partition, or what is named is not built or has no GPU tests.
    """
    statuses = derive_statuses(forge)
    if package is None:
        return tuple(
            status
            for status in statuses.values()
            if status.state in UP_TO_DATE and status.gpu in (GpuState.PENDING, GpuState.FAILED)
        )
    named = [statuses[identity] for identity in variants_of(forge, package, partition)]
    ready = tuple(status for status in named if status.state in UP_TO_DATE and status.gpu is not None)
    if not ready:
        status = named[0]
        reason = "is not built" if status.state not in UP_TO_DATE else "has no GPU tests (extra.wvforge.gpu-tests)"
        raise ForgeError(reason, where=str(status.id))
    return ready


def run_gpu_tests(
    forge: ForgeOnDisk, chosen: Iterable[Status], on_outcome: Callable[[VariantId, str], object]
) -> Mapping[VariantId, Status]:
    """Run the GPU tests of package variants, one after the other, each as a Dagster run of its asset check.

    Args:
        on_outcome: called with what came of each, in words.

    Returns the statuses afterwards.

    Raises:
        ForgeError: if there is no GPU, or Dagster's storage cannot be used.
    """
    if find_gpu() is None:
        raise ForgeError(
            NO_GPU, where="nvidia-smi", remedy="run it where there is one, over the same forge and staging"
        )
    job = dg.Definitions(assets=forge_assets(forge), asset_checks=gpu_checks(forge)).get_implicit_global_asset_job_def()
    with open_quiet_instance(forge, None) as instance, storage_faults(dagster_home(forge.output)):
        for status in chosen:
            key = dg.AssetCheckKey(package_key(status.id.package), GPU)
            result = job.get_subset(asset_selection=set(), asset_check_selection={key}).execute_in_process(
                instance=instance, partition_key=status.id.partition or None, raise_on_error=False
            )
            on_outcome(status.id, _words(result))
    return derive_statuses(forge)


def _words(result: dg.ExecuteInProcessResult) -> str:
    for event in result.all_events:
        if event.event_type_value == "ASSET_CHECK_EVALUATION":
            return event.asset_check_evaluation_data.description or ""
        if event.is_step_failure:
            said = event.step_failure_data.user_failure_data
            return (said.description if said else None) or "failed: see Dagster's log"
    return "the run did not start: see Dagster's log"
