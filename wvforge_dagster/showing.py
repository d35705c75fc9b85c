"""What commands show once they are done: tables, lines, and what came of a build."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wvforge_dagster.core.state import STUCK, State, Status

if TYPE_CHECKING:
    from wvforge_dagster.orchestration.build_forge import Outcome
    from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk

out = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
err = Console(stderr=True, highlight=False)

SHOWN_LINES = 10
"""Of the last lines of a failed build's log."""

STATE_STYLES = {
    State.PUBLISHED: "green",
    State.STAGED: "cyan",
    State.BUILDING: "blue",
    State.STALE: "yellow",
    State.WAITING: "yellow",
    State.MISSING: "yellow",
    State.SKIPPED: "dim",
    State.RETIRED: "dim",
}


def show_lines(lines: Iterable[object]) -> None:
    """Each as one line of the standard output."""
    for line in lines:
        out.print(str(line), markup=False, soft_wrap=True)


def show_warnings(faults: Iterable[object]) -> None:
    """Each as one line of the standard error."""
    for fault in faults:
        err.print(f"warning: {fault}", markup=False, soft_wrap=True)


def show_outcome(forge: ForgeOnDisk, outcome: Outcome, started: float) -> None:
    """The table, the counts, and each failure with its log. Exit status 1 if something is not as it was wanted."""
    from wvforge_dagster.orchestration.failures import read_failures
    from wvforge_dagster.orchestration.show import counts

    show_warnings(outcome.warnings)
    print_table(outcome.statuses.values())
    out.print(f"{counts(outcome.statuses)} in {time.monotonic() - started:.0f} s")
    at_once = [channel for target, channel in forge.targets if target.publish == "at-once"]
    targets = ", ".join(f"{channel.label} ({channel.url})" for channel in at_once)
    if targets and any(status.state is State.PUBLISHED for status in outcome.statuses.values()):
        out.print(f"published to {targets}", markup=False, soft_wrap=True)
    waiting = [status for status in outcome.statuses.values() if status.with_column]
    if waiting:
        out.print(
            f"{len(waiting)} of them wait for their columns: wvforge channel promote", markup=False, soft_wrap=True
        )
    failures = read_failures(forge)
    for status in outcome.bad:
        reason = status.reason if status.state in STUCK else outcome.failed.get(status.id, status.reason)
        failure = failures.get(status.id) if status.state is not State.BLOCKED else None
        kind = f" ({failure.failure_class})" if failure else ""
        err.print(Text(f"{status.state}{kind}: {status.id}: {reason}", style="red"), soft_wrap=True)
        for line in failure.details.splitlines()[-SHOWN_LINES:] if failure else ():
            err.print(f"  | {line}", markup=False, soft_wrap=True, style="dim")
        if failure and failure.log:
            err.print(f"  log: {forge.output / failure.log}", markup=False, soft_wrap=True)
        if status.id in outcome.given_up:
            err.print("  not tried again, because its inputs are the same: give --retry-failed", markup=False)
    if outcome.bad:
        raise typer.Exit(1)


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C ends the command in one line; typer would say nothing."""
    try:
        yield
    except KeyboardInterrupt:
        err.print("wvforge: interrupted; what was built is kept, build again to go on")
        raise typer.Exit(130) from None


COLUMNS = ("package", "partition", "state", "reason", "file")


def print_table(statuses: Iterable[Status]) -> None:
    """One row for each package variant; in a terminal with colours, and folded to its width."""
    rows = [(_cells(status), STATE_STYLES.get(status.state, "red")) for status in statuses]
    if not out.is_terminal:
        # Rich takes a millisecond for each row.
        _write_plain([COLUMNS, *(cells for cells, _ in rows)])
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in COLUMNS:
        table.add_column(name, overflow="fold", no_wrap=name in ("package", "partition", "state"))
    for cells, style in rows:
        table.add_row(*(Text(cell, style=style if position == 2 else "") for position, cell in enumerate(cells)))
    out.print(table)


def _cells(status: Status) -> tuple[str, ...]:
    files = " ".join(artifact.filename for artifact in status.artifacts)
    return status.id.package, status.id.partition, status.state.value, status.reason, files


def _write_plain(lines: Sequence[tuple[str, ...]]) -> None:
    """Columns as wide as their longest cell."""
    widths = [max(cell_len(line[position]) for line in lines) for position in range(len(lines[0]))]
    for line in lines:
        cells = (cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
    sys.stdout.flush()
