"""The ``wvforge`` command. Exit status: 0 all well, 1 something failed (and is named), 2 bad usage or a bad forge."""

from __future__ import annotations

import json
import sys
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from wvforge_dagster import __version__
from wvforge_dagster.channel_commands import channel_app
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.fault_pages import with_page
from wvforge_dagster.dagster_commands import dev, env
from wvforge_dagster.gpu_command import gpu_test
from wvforge_dagster.help_examples import examples
from wvforge_dagster.new_command import new
from wvforge_dagster.notify_command import notify_test
from wvforge_dagster.own_process import hide_from_builds
from wvforge_dagster.progress import BuildProgress
from wvforge_dagster.report_command import report
from wvforge_dagster.schema_command import schema
from wvforge_dagster.settings import FORGE_VARIABLE, platform_of_machine, read_settings
from wvforge_dagster.showing import err, interruptible, out, print_table, show_lines, show_outcome, show_warnings
from wvforge_dagster.updates_command import updates
from wvforge_dagster.upstream_command import assemble_upstream, upstream

app = typer.Typer(
    name="wvforge",
    help="Build, test and publish a forge: a folder of rattler-build recipes, in every Python x CUDA variant.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog=examples(""),
)
app.add_typer(channel_app, name="channel")
app.command(epilog=examples("report"))(report)


def _show_version(wanted: bool) -> None:
    if wanted:
        out.print(__version__)
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    forge: Annotated[
        Path | None,
        typer.Option("--forge", help=f"Folder of the forge. Default: {FORGE_VARIABLE}, else the nearest one upwards."),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    context.obj = forge


@app.command(epilog=examples("build"))
def build(
    context: typer.Context,
    packages: Annotated[
        list[str] | None, typer.Argument(help="Packages to build, with what they need. Default: all.")
    ] = None,
    python: Annotated[list[str] | None, typer.Option("--python", help="Only these Python columns.")] = None,
    cuda: Annotated[list[str] | None, typer.Option("--cuda", help="Only these CUDA columns.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Builds side by side.")] = 2,
    force: Annotated[
        bool, typer.Option("--force", help="Build the named packages also if they are up to date.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try those again that failed with the inputs that they still have.")
    ] = False,
    no_publish: Annotated[bool, typer.Option("--no-publish", help="Stage only.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be built and published, and why; touch nothing.")
    ] = False,
) -> None:
    """Build, test and publish what is out of date, in dependency order."""
    settings = read_settings(context.obj)
    if not dry_run:
        from wvforge_dagster.orchestration.fork_server import start_fork_server

        start_fork_server()
    from wvforge_dagster.orchestration.build_forge import Wanted, build_forge
    from wvforge_dagster.orchestration.dry_run import dry_run as what_it_would_do
    from wvforge_dagster.orchestration.forge_on_disk import open_forge
    from wvforge_dagster.orchestration.plan import refuse_elsewhere, select
    from wvforge_dagster.orchestration.under_way import under_way

    started = time.monotonic()
    forge = open_forge(settings)
    selected = select(forge.catalog, packages or [], python or [], cuda or [])
    refuse_elsewhere(forge, packages or [])
    named = {forge.catalog.provider[name] for name in packages or []}
    here = [i for i in selected if forge.not_built_here(i.package) is None]
    forced = {i: "forced" for i in here if force and (not named or i.package in named)}
    wanted = Wanted(selected, forced, retry_failed, not no_publish, jobs)
    if dry_run:
        show_warnings(forge.warnings)
        would = what_it_would_do(forge, wanted)
        show_lines(would.lines)
        if would.bad:
            raise typer.Exit(1)
        return
    lacking = assemble_upstream(forge)
    with interruptible(), BuildProgress(err, partial(under_way, forge)) as progress:
        outcome = build_forge(forge, wanted, progress.on_plan, progress.on_event)
    show_outcome(forge, outcome, started, lacking)


@app.command(epilog=examples("status"))
def status(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects, in a stable format.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="A Markdown table.")] = False,
    ask: Annotated[
        bool, typer.Option("--refresh", help="Ask remote targets and the servers of git sources first.")
    ] = False,
) -> None:
    """Show the state of every package variant, and why. Asks no network, unless it is told to."""
    from wvforge_dagster.orchestration.evidence import derive_statuses, unreadable_targets
    from wvforge_dagster.orchestration.forge_on_disk import open_forge
    from wvforge_dagster.orchestration.refreshing import refresh_everything
    from wvforge_dagster.orchestration.show import counts, gpu_counts, markdown, rows
    from wvforge_dagster.orchestration.updates import new_releases

    forge = open_forge(read_settings(context.obj))
    if ask:
        for fault in refresh_everything(forge).values():
            err.print(f"warning: {fault}", markup=False, soft_wrap=True)
    statuses = derive_statuses(forge)
    show_warnings(forge.warnings)
    show_warnings(f"{label} counts as empty: {fault}" for label, fault in unreadable_targets(forge).items())
    if as_json or as_markdown:
        found = rows(statuses.values(), forge.class_of, forge.forge.platform, new_releases(forge))
        sys.stdout.write((json.dumps(found, indent=2) if as_json else markdown(found)) + "\n")
    else:
        print_table(forge, statuses.values())
        out.print(f"{counts(statuses)} in {forge.root}", soft_wrap=True)
        show_lines(filter(None, [gpu_counts(statuses)]))
        if not statuses:
            err.print(f"no recipe matches {', '.join(forge.forge.recipes)} (recipes in forge.yaml)", markup=False)


@app.command(epilog=examples("explain"))
def explain(
    context: typer.Context,
    package: Annotated[str, typer.Argument(help="A package.")],
    partition: Annotated[str | None, typer.Argument(help="A partition, such as '12.6|3.12'. Default: all.")] = None,
) -> None:
    """Show what a package variant is made from, and where it is out of date, each part that changed. Asks no network."""
    from wvforge_dagster.orchestration.explain import explain as explain_lines
    from wvforge_dagster.orchestration.forge_on_disk import open_forge

    show_lines(explain_lines(open_forge(read_settings(context.obj)), package, partition))


@app.command("rebuild-check", epilog=examples("rebuild-check"))
def rebuild_check(
    context: typer.Context,
    package: Annotated[str, typer.Argument(help="A package.")],
    partition: Annotated[str | None, typer.Argument(help="A partition, such as '12.6|3.12'. Default: all.")] = None,
    show_log: Annotated[bool, typer.Option("--log", help="Show the log of the build.")] = False,
) -> None:
    """Build a package once more and say which files differ in content from the one that is there. Nothing of it is kept.

    A package that only a target holds is brought into staging first.

    Exit status: 0 equal, 1 not equal, 2 not to be compared.
    """
    from wvforge_dagster.orchestration.forge_on_disk import open_forge
    from wvforge_dagster.orchestration.rebuild_check import chosen_variants, rebuild_check

    def on_log(level: str, line: str) -> None:
        if show_log:
            err.print(f"  | {line}", markup=False, soft_wrap=True, style="dim")

    forge = open_forge(read_settings(context.obj))
    equal = True
    for identity in chosen_variants(forge, package, partition):
        with interruptible():
            rebuilt = rebuild_check(forge, identity, on_log)
        for one in rebuilt:
            equal = equal and one.equal
            for line in one.lines():
                out.print(line, markup=False, soft_wrap=True)
    if not equal:
        raise typer.Exit(1)


app.command("gpu-test", epilog=examples("gpu-test"))(gpu_test)


@app.command(epilog=examples("graph"))
def graph(context: typer.Context) -> None:
    """Show the packages by level, and what each needs."""
    from wvforge_dagster.orchestration.forge_on_disk import open_forge
    from wvforge_dagster.orchestration.show import graph_lines

    show_lines(graph_lines(open_forge(read_settings(context.obj)).catalog, platform_of_machine()))


@app.command(epilog=examples("nightly"))
def nightly(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it would do, and why; build nothing.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Builds side by side.")] = 2,
) -> None:
    """Ask upstream channels, targets and git servers anew; rebuild what changed in a way that matters, and what failed."""
    from wvforge_dagster.orchestration.build_forge import build_forge
    from wvforge_dagster.orchestration.forge_on_disk import open_forge
    from wvforge_dagster.orchestration.nightly import look, wanted_tonight
    from wvforge_dagster.orchestration.telling import night_told
    from wvforge_dagster.orchestration.under_way import under_way

    started = time.monotonic()
    forge = open_forge(read_settings(context.obj))
    lacking = assemble_upstream(forge)
    with interruptible(), nullcontext() if dry_run else night_told(forge):
        night = look(forge)
    show_lines(night.lines())
    if dry_run:
        return
    with interruptible(), night_told(forge), BuildProgress(err, partial(under_way, forge)) as progress:
        outcome = build_forge(forge, wanted_tonight(forge, night, jobs=jobs), progress.on_plan, progress.on_event)
    show_outcome(forge, outcome, started, lacking)


app.command(epilog=examples("upstream"))(upstream)
app.command(epilog=examples("new"))(new)
app.command(epilog=examples("schema"))(schema)
app.command(epilog=examples("updates"))(updates)
app.command("notify-test", epilog=examples("notify-test"))(notify_test)
app.command(epilog=examples("dev"))(dev)
app.command(epilog=examples("env"))(env)


def main() -> None:
    """Entry of the ``wvforge`` program."""
    hide_from_builds()
    try:
        app()
    except ForgeError as fault:
        err.print(Text(f"wvforge: {with_page(str(fault))}"), soft_wrap=True)
        sys.exit(2)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        err.print(Text(f"wvforge: {with_page(f'{place}{error.strerror or error}')}"), soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
