"""``wvforge updates``: new releases of the recipes' sources."""

from __future__ import annotations

from typing import Annotated

import typer

from wvforge_dagster.settings import read_settings
from wvforge_dagster.showing import interruptible, out, show_lines, show_warnings


def updates(
    context: typer.Context,
    packages: Annotated[list[str] | None, typer.Argument(help="Packages to ask for. Default: all.")] = None,
    apply: Annotated[
        str | None,
        typer.Option(
            "--apply", metavar="PACKAGE", help="Move this package's recipe to its newest release; commit nothing."
        ),
    ] = None,
) -> None:
    """Ask for new releases of every recipe's source: tags, indexes of Python packages, folders of archives."""
    from wvforge_dagster.orchestration.applying_update import Applied, apply_update
    from wvforge_dagster.orchestration.forge_on_disk import open_forge
    from wvforge_dagster.orchestration.plan import select
    from wvforge_dagster.orchestration.updates import look_for_releases

    if apply is not None and packages:
        raise typer.BadParameter("give either packages to ask for, or --apply PACKAGE")
    forge = open_forge(read_settings(context.obj))
    if apply is None:
        select(forge.catalog, packages or [], (), ())
        names = {forge.catalog.provider[name].rpartition("/")[2] for name in packages or []}
        with interruptible():
            found = look_for_releases(forge, names or None)
        show_lines(item for item in found if not item.fault)
        show_warnings(item for item in found if item.fault)
        if any(item.fault for item in found):
            raise typer.Exit(1)
        return
    with interruptible():
        applied = apply_update(forge, apply)
    if not isinstance(applied, Applied):
        out.print(f"{applied}; nothing was done", markup=False, soft_wrap=True)
        return
    show_warnings(applied.remarks)
    followed = applied.followed
    checked = f"; {applied.patches} of its patches apply" if applied.patches else ""
    out.print(f"{followed.package}: {followed.version} -> {followed.newest}{checked}", markup=False, soft_wrap=True)
    out.print(
        f"wrote {applied.path}; look it through (git diff), then: wvforge build {followed.package}",
        markup=False,
        soft_wrap=True,
    )
