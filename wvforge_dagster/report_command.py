"""``wvforge report``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from wvforge_dagster.settings import read_settings
from wvforge_dagster.showing import out, show_warnings


def report(
    context: typer.Context,
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder of the site. Default: report in the forge's output folder.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the data instead; its schema is docs/report.schema.json.")
    ] = False,
    migration: Annotated[
        str | None,
        typer.Option(
            "--migration",
            metavar="COLUMN",
            help="Print how far a column is, as Markdown, instead: '13.0|3.12', or a value such as 13.0.",
        ),
    ] = None,
) -> None:
    """Write a site that shows the whole forge: a matrix, a page for each package, migrations, the last build. Asks no network.

    It is read from its folder or from any web server.
    """
    from wvforge_dagster.core.migration import find_values
    from wvforge_dagster.orchestration.evidence import unreadable_targets
    from wvforge_dagster.orchestration.forge_on_disk import open_forge
    from wvforge_dagster.orchestration.reporting import make_report
    from wvforge_dagster.orchestration.writing_report import write_report
    from wvforge_dagster.report.markdown import migration_markdown

    if as_json and migration is not None:
        raise typer.BadParameter("give --json or --migration, not both")
    forge = open_forge(read_settings(context.obj))
    if migration is not None:
        find_values(forge.catalog.dimensions, migration)
    found = make_report(forge)
    show_warnings(f"{label} counts as empty: {fault}" for label, fault in unreadable_targets(forge).items())
    if as_json:
        sys.stdout.write(found.model_dump_json(indent=1) + "\n")
    elif migration is not None:
        sys.stdout.write(migration_markdown(found, next(item for item in found.migrations if item.key == migration)))
    else:
        out.print(f"wrote {write_report(forge, found, to)}", markup=False, soft_wrap=True)
