"""``wvforge gpu-test``."""

from __future__ import annotations

from typing import Annotated

import typer

from wvforge_dagster.settings import read_settings
from wvforge_dagster.showing import interruptible, out


def gpu_test(
    context: typer.Context,
    package: Annotated[
        str | None, typer.Argument(help="A package. Default: all whose GPU tests have not passed.")
    ] = None,
    partition: Annotated[str | None, typer.Argument(help="A partition, such as '12.6|3.12'. Default: all.")] = None,
) -> None:
    """Run the GPU tests of built packages on this machine's GPU, on the staged files, and note beside them what came of it.

    Exit status: 0 all passed, 1 some failed, 2 they could not be run.
    """
    from wvforge_dagster.core.gpu import GpuState
    from wvforge_dagster.orchestration.forge_on_disk import open_forge
    from wvforge_dagster.orchestration.gpu_run import run_gpu_tests, to_test

    forge = open_forge(read_settings(context.obj))
    chosen = to_test(forge, package, partition)
    if not chosen:
        out.print("no GPU tests are pending")
        return
    with interruptible():
        statuses = run_gpu_tests(
            forge, chosen, lambda identity, words: out.print(f"{identity}: {words}", markup=False, soft_wrap=True)
        )
    if any(statuses[status.id].gpu is not GpuState.PASSED for status in chosen):
        raise typer.Exit(1)
