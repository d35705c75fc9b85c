"""The asset check ``gpu`` of a package whose recipe has GPU tests: it runs after the build, in its own pool, on what is staged.

Without a GPU it is pending, which Dagster shows as a warning: it never passes for having passed.
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of the functions.

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from wvforge_dagster.core.catalog import Package, VariantId
from wvforge_dagster.core.columns import UNPARTITIONED
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.evidence import RecipeFiles
from wvforge_dagster.core.gpu import GpuState
from wvforge_dagster.orchestration.asset_specs import op_name
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.gpu_testing import GpuOutcome, test_on_gpu
from wvforge_dagster.orchestration.keys import GPU, package_key
from wvforge_dagster.orchestration.log_relay import LogRelay
from wvforge_dagster.orchestration.op_tags import gpu_tags, on_loss
from wvforge_dagster.orchestration.partitions import partitions_definition
from wvforge_dagster.orchestration.pools import GPU_POOL
from wvforge_dagster.orchestration.recipe_files import files_of_recipes
from wvforge_dagster.orchestration.same_forge import digests_of, refuse_other_work


def has_gpu_tests(package: Package) -> bool:
    return package.recipe is not None and any(output.gpu_tests for output in package.recipe.outputs)


def gpu_checks(forge: ForgeOnDisk, files: Mapping[str, RecipeFiles] | None = None) -> list[dg.AssetChecksDefinition]:
    """One for each package with GPU tests.

    Args:
        files: of the recipes, if the caller has looked already.
    """
    packages = [package for package in forge.catalog.packages.values() if has_gpu_tests(package)]
    if not packages:
        return []
    made_of = digests_of(forge, files_of_recipes(forge) if files is None else files)
    with warnings.catch_warnings():
        # Check results are per partition only with partitions on their spec, which Dagster calls a preview.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [_gpu_check(forge, package, made_of[package.name]) for package in packages]


def _gpu_check(forge: ForgeOnDisk, package: Package, made_of: str) -> dg.AssetChecksDefinition:
    spec = dg.AssetCheckSpec(
        name=GPU,
        asset=package_key(package.name),
        description="The recipe's GPU tests, run on a GPU with the staged file. Pending until they have run on one.",
        # Only a failure on a GPU is an error, and only where forge.yaml says so: the upload itself asks too.
        blocking=forge.forge.gpu_tests == "required",
        partitions_def=partitions_definition(package.dimensions),
    )

    @dg.multi_asset_check(
        specs=[spec],
        name=op_name(GPU, package.name, forge.catalog),
        pool=GPU_POOL,
        op_tags=gpu_tags(forge, made_of),
        retry_policy=on_loss(forge),
    )
    def gpu(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        refuse_other_work(context, forge, package.name, made_of)
        partition = context.partition_key if context.has_partition_key else UNPARTITIONED
        identity = VariantId(package.name, partition)
        fault = None
        with LogRelay(context.log.info) as relay:
            try:
                outcome = test_on_gpu(forge, identity, relay.write)
            except ForgeError as error:
                fault = error
        if fault is not None:
            raise dg.Failure(description=str(fault), allow_retries=False)
        yield _result(forge, package, outcome)

    return gpu


def _result(forge: ForgeOnDisk, package: Package, outcome: GpuOutcome) -> dg.AssetCheckResult:
    failed = outcome.state is GpuState.FAILED and forge.forge.gpu_tests == "required"
    metadata: dict[str, Any] = {"state": outcome.state.value}
    for filename, record in outcome.records:
        own = {
            "GPU": record.gpu,
            "driver": record.driver,
            "CUDA of the driver": record.cuda,
            "seconds": record.seconds,
            "sha256": record.sha256,
        }
        metadata |= {f"{filename}: {name}" if len(outcome.records) > 1 else name: value for name, value in own.items()}
    if outcome.output:
        metadata["output"] = dg.MetadataValue.text(outcome.output)
    if outcome.log is not None:
        metadata["log"] = dg.MetadataValue.path(str(outcome.log))
    return dg.AssetCheckResult(
        asset_key=package_key(package.name),
        check_name=GPU,
        passed=outcome.state is GpuState.PASSED,
        severity=dg.AssetCheckSeverity.ERROR if failed else dg.AssetCheckSeverity.WARN,
        description=f"{outcome.state}: {outcome.reason}" if outcome.state is GpuState.PENDING else outcome.reason,
        metadata=metadata,
    )
