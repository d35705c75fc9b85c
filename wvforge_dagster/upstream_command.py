"""``wvforge upstream``: the embedded upstream channel, which `build` and `nightly` assemble too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.progress import UpstreamProgress
from wvforge_dagster.settings import read_settings
from wvforge_dagster.showing import err, interruptible, show_warnings

if TYPE_CHECKING:
    from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk


def upstream(context: typer.Context) -> None:
    """Assemble the embedded upstream channel, if forge.yaml names a manifest of one."""
    from wvforge_dagster.orchestration.forge_on_disk import open_forge

    forge = open_forge(read_settings(context.obj))
    if forge.forge.upstream is None:
        raise ForgeError(
            "names no upstream manifest", where=str(forge.root / "forge.yaml"), remedy="nothing to assemble"
        )
    assemble_upstream(forge)


def assemble_upstream(forge: ForgeOnDisk) -> tuple[str, ...]:
    """Assemble the embedded upstream channel, if the forge has one, and say what is new in it.

    Returns:
        What it lacks, as it was said: a line for each package that this machine cannot give.
    """
    from wvforge_dagster.orchestration import embedded

    if forge.forge.upstream is None:
        return ()
    with interruptible(), UpstreamProgress(err) as progress:
        report = embedded.assemble_upstream(forge, progress.on_event)
    if report is None:
        return ()
    if report.made:
        err.print(f"upstream channel: {len(report.made)} packages and sources made, {len(report.kept)} kept")
    lacking = tuple(f"upstream lacks {one.name} {one.spec}: {one.reason}" for one in report.missing)
    show_warnings(lacking)
    return lacking
