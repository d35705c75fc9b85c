"""What commands show once they are done: tables, lines, and what came of a build."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wvforge_dagster.core.classes import LIGHT
from wvforge_dagster.core.failure import beginning
from wvforge_dagster.core.fault_pages import with_page
from wvforge_dagster.core.state import STUCK, State, Status

if TYPE_CHECKING:
    from wvforge_dagster.core.catalog import VariantId
    from wvforge_dagster.orchestration.build_forge import Outcome
    from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk

out = Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else 200)
err = Console(stderr=True, highlight=False, emoji=False)

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
    State.ELSEWHERE: "dim",
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


def show_outcome(forge: ForgeOnDisk, outcome: Outcome, started: float, lacking: Iterable[str] = ()) -> None:
    """The table, the counts, and each failure with its log. Exit status 1 if something is not as it was wanted.

    Args:
        lacking: what the embedded upstream channel lacks. It was said before the build, which is far above by now.
    """
    from wvforge_dagster.orchestration.failures import read_failures
    from wvforge_dagster.orchestration.show import counts, gpu_counts

    show_warnings(outcome.warnings)
    print_table(forge, outcome.statuses.values(), told_below={status.id for status in outcome.bad})
    out.print(f"{counts(outcome.statuses)} in {time.monotonic() - started:.0f} s")
    show_lines(filter(None, [gpu_counts(outcome.statuses)]))
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
        shown = with_page(reason, failure.failure_class if failure else None, status.state)
        err.print(Text(f"{status.state}{kind}: {status.id}: {shown}", style="red"), soft_wrap=True)
        lines = failure.details.splitlines()[-SHOWN_LINES:] if failure else []
        for line in (line for line in lines if line.strip() not in reason):
            err.print(f"  | {line}", markup=False, soft_wrap=True, style="dim")
        if failure and failure.log:
            err.print(f"  log: {forge.output / failure.log}", markup=False, soft_wrap=True)
        if status.id in outcome.given_up:
            err.print("  not tried again, because its inputs are the same: give --retry-failed", markup=False)
    if outcome.bad:
        show_warnings(lacking)
        raise typer.Exit(1)


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the command in one line, after everything that it started; typer would say nothing."""
    number = signal.SIGINT

    def on_sigterm(_number: int, _frame: FrameType | None) -> None:
        nonlocal number
        number = signal.SIGTERM
        raise KeyboardInterrupt

    in_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, on_sigterm) if in_main else None
    try:
        yield
    except KeyboardInterrupt:
        word = "interrupted" if number == signal.SIGINT else "terminated"
        err.print(f"wvforge: {word}; what was built is kept, build again to go on")
        raise typer.Exit(128 + number) from None
    finally:
        if in_main:
            signal.signal(signal.SIGTERM, before)


COLUMNS = ("package", "partition", "state", "reason", "file")


def print_table(forge: ForgeOnDisk, statuses: Iterable[Status], told_below: Set[VariantId] = frozenset()) -> None:
    """One row for each package variant; with its class and why it is of that one, if one is of another than ``light``, and with
    the new release of its source, if there is one. In a terminal with colours, and folded to its width.

    Args:
        told_below: those whose reasons are told in full below the table: in it they are shortened.
    """
    from wvforge_dagster.orchestration.updates import new_releases

    found = list(statuses)
    known = new_releases(forge)
    releases = {status.id.package: known.get(status.id.package, "") for status in found}
    classes = {status.id.package: forge.class_of(status.id.package) for status in found}
    with_class = any(one.name != LIGHT for one in classes.values())
    more = [("class", {name: str(one) for name, one in classes.items()})] if with_class else []
    more += [("new release", releases)] if any(releases.values()) else []
    columns = (*COLUMNS, *(title for title, _ in more))
    rows = [(*_cells(status, told_below), *(cells[status.id.package] for _, cells in more)) for status in found]
    if not out.is_terminal:
        # Rich takes a millisecond for each row.
        _write_plain([columns, *rows])
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold", no_wrap=name in ("package", "partition", "state"))
    for status, cells in zip(found, rows, strict=True):
        style = STATE_STYLES.get(status.state, "red")
        table.add_row(*(Text(cell, style=style if position == 2 else "") for position, cell in enumerate(cells)))
    out.print(table)


def _cells(status: Status, told_below: Set[VariantId]) -> tuple[str, ...]:
    files = " ".join(artifact.filename for artifact in status.artifacts)
    reason = beginning(status.reason) if status.id in told_below else status.reason
    return status.id.package, status.id.partition, status.state.value, reason, files


def _write_plain(lines: Sequence[tuple[str, ...]]) -> None:
    """Columns as wide as their longest cell."""
    widths = [max(cell_len(line[position]) for line in lines) for position in range(len(lines[0]))]
    for line in lines:
        cells = (cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
    sys.stdout.flush()
