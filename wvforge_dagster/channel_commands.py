"""``wvforge channel``: looking after the channels of a forge. Exit status as of ``wvforge``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.fault_pages import with_page
from wvforge_dagster.help_examples import examples
from wvforge_dagster.settings import read_settings
from wvforge_dagster.showing import err, interruptible, out, show_lines, show_warnings

channel_app = typer.Typer(
    help="Verify, prune and promote channels: the forge's publish targets, and staging.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Target = Annotated[
    str | None, typer.Argument(help="A target's label, such as file:output/channel, or staging. Default: all.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what it would do; touch nothing.")]


@channel_app.command(epilog=examples("channel verify"))
def verify(
    context: typer.Context,
    target: Target = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Write the index anew from what lies there; no package is changed.")
    ] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Compare sizes only, not every file's bytes.")] = False,
) -> None:
    """Compare whole channels with their index, and with what the forge expects there."""
    from wvforge_dagster.orchestration.forge_on_disk import open_forge
    from wvforge_dagster.orchestration.naming import channels_named
    from wvforge_dagster.orchestration.verifying import verify_channel

    forge = open_forge(read_settings(context.obj))
    wrong = 0
    for channel in channels_named(forge, target):
        try:
            with interruptible():
                report = verify_channel(forge, channel, quick=quick)
                if repair and report.damage:
                    show_lines(f"found: {finding}" for finding in report.damage)
                    show_lines(f"set aside: {name}" for name in channel.reindex())
                    report = verify_channel(forge, channel, quick=quick)
        except ForgeError as fault:
            err.print(Text(with_page(str(fault)), style="red"), soft_wrap=True)
            wrong += 1
            continue
        show_lines(report.findings)
        show_lines(f"{report.label}: {line}" for line in report.information)
        count = len(report.findings)
        found = f"{count} finding{'s' if count > 1 else ''}" if count else "nothing wrong"
        files = "1 file" if report.checked == 1 else f"{report.checked} files"
        show_lines([f"{report.label}: {files} compared, {found}"])
        wrong += len(report.findings)
    if wrong:
        raise typer.Exit(1)


@channel_app.command(epilog=examples("channel prune"))
def prune(
    context: typer.Context,
    keep: Annotated[int, typer.Option("--keep", min=1, help="How many builds of each package variant stay.")],
    target: Target = None,
    dry_run: DryRun = False,
) -> None:
    """Remove old builds of the forge's own packages, except for what others depend on."""
    from wvforge_dagster.core.retention import FOREIGN
    from wvforge_dagster.orchestration.forge_on_disk import open_forge
    from wvforge_dagster.orchestration.naming import channels_named
    from wvforge_dagster.orchestration.pruning import plan_pruning
    from wvforge_dagster.orchestration.pruning import prune as prune_channel

    forge = open_forge(read_settings(context.obj))
    failed = False
    for channel in channels_named(forge, target):
        try:
            with interruptible():
                pruning = plan_pruning(forge, channel, keep)
                retention = pruning.retention
                if not dry_run:
                    prune_channel(forge, channel, pruning)
        except ForgeError as fault:
            err.print(Text(with_page(str(fault)), style="red"), soft_wrap=True)
            failed = True
            continue
        verb = "would go" if dry_run else "gone"
        show_lines(f"{channel.label}: {verb}: {build}" for build in retention.goes)
        own = {build: reason for build, reason in retention.stays.items() if reason != FOREIGN}
        show_lines(f"{channel.label}: stays: {build}: {own[build]}" for build in sorted(own, key=str))
        foreign = len(retention.stays) - len(own)
        others = f", {foreign} {FOREIGN} left alone" if foreign else ""
        show_lines([f"{channel.label}: {len(retention.goes)} {verb}, {len(own)} stay{others}"])
    if failed:
        raise typer.Exit(1)


@channel_app.command(epilog=examples("channel promote"))
def promote(
    context: typer.Context,
    column: Annotated[
        str, typer.Argument(help="A column, such as '12.8|3.12'. A forge without dimensions has one, without a name.")
    ] = "",
    dry_run: DryRun = False,
) -> None:
    """Publish a whole column to the targets with `publish: by-column`, if all its package variants passed."""
    from wvforge_dagster.orchestration.forge_on_disk import open_forge
    from wvforge_dagster.orchestration.promoting import plan_promotions, promotion_lines
    from wvforge_dagster.orchestration.promoting import promote as promote_columns

    forge = open_forge(read_settings(context.obj))
    with interruptible():
        try:
            (promotion,) = plan_promotions(forge, (column,))
            if not dry_run and not promotion.column.lacking:
                (promotion,) = promote_columns(forge, (column,))
        except ForgeError as fault:
            if forge.targets_by_column and column in forge.catalog.dimensions.keys():
                err.print(Text(with_page(str(fault)), style="red"), soft_wrap=True)
                raise typer.Exit(1) from None
            raise
    show_lines(promotion_lines(promotion))
    if promotion.column.lacking:
        raise typer.Exit(1)
    out.print("nothing was done" if dry_run else "promoted")


@channel_app.command(epilog=examples("channel replace"))
def replace(
    context: typer.Context,
    target: Annotated[str, typer.Argument(help="A target's label, such as file:output/channel.")],
    filename: Annotated[str, typer.Argument(help="The file to replace, by its whole name.")],
) -> None:
    """Replace one file of a target by the staged one of the same name, whatever its content. Breaks lock files."""
    from wvforge_dagster.orchestration.forge_on_disk import open_forge
    from wvforge_dagster.orchestration.naming import channels_named
    from wvforge_dagster.orchestration.replacing import replace_file

    forge = open_forge(read_settings(context.obj))
    (channel,) = channels_named(forge, target)
    with interruptible():
        if not replace_file(forge, channel, filename):
            out.print(f"{channel.label} holds the staged {filename} already", markup=False, soft_wrap=True)
            return
    show_warnings(
        [
            f"REPLACED {filename} in {channel.label}: the same name has other content now. Who has it in a lock file or a "
            "cache gets an error, or goes on with the old one; tell them, and raise the build number the next time"
        ]
    )
