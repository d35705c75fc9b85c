"""What a long command shows while it runs: a live table on a terminal, plain lines otherwise."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.failure import beginning

if TYPE_CHECKING:
    from wvforge_dagster.orchestration.plan import Plan
    from wvforge_dagster.orchestration.run_plan import Event
    from wvforge_dagster.upstream.report import UpstreamEvent

REMIND_SECONDS = 60.0
"""Where the output is no terminal: between two lines about what still goes on."""

MARKS = {"done": ("done", "green"), "failed": ("FAILED", "red"), "blocked": ("blocked", "yellow")}


class BuildProgress(AbstractContextManager["BuildProgress"]):
    """Shows a build; give `on_plan` and `on_event` to `build_forge`. Says nothing where there is nothing to do."""

    def __init__(
        self,
        console: Console,
        doing: Callable[[VariantId], str] = lambda _: "",
        every_s: float = REMIND_SECONDS,
    ) -> None:
        """
        Args:
            doing: what one waits for of a package variant that is being made, in words; empty if that is not known.
            every_s: seconds between two lines about what is still being made.
        """
        self._console = console
        self._doing = doing
        self._entered = time.monotonic()
        self._reminder = _Reminder(self._remind, every_s)
        self._started: dict[VariantId, tuple[float, str]] = {}
        self._lock = threading.Lock()
        self._bar = Progress(
            TextColumn("[bold]building"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
        )
        self._task = self._bar.add_task("build", total=0)
        self._total = 0
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> BuildProgress:
        if not self._console.is_terminal:
            self._reminder.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reminder.stop()
        if self._console.is_terminal:
            self._live.stop()

    def on_plan(self, plan: Plan) -> None:
        """More is to be made."""
        self._total += len(plan.reasons)
        self._bar.update(self._task, total=self._total)
        if self._console.is_terminal:
            self._live.start()

    def on_event(self, event: Event) -> None:
        with self._lock:
            if event.kind == "started":
                self._started[event.id] = (time.monotonic(), event.text)
                if not self._console.is_terminal:
                    self._console.print(f"making    {event.id}: {event.text}", markup=False, soft_wrap=True)
                return
            since, _ = self._started.pop(event.id, (time.monotonic(), ""))
            self._bar.advance(self._task)
        word, colour = MARKS[event.kind]
        line = Text(f"{word:<9} ", style=colour)
        line.append(f"{event.id}", style="bold")
        line.append(f"  {time.monotonic() - since:.1f} s" if event.kind == "done" else "")
        text = event.text.split(", because:")[0]
        # A failure is told in full at the end.
        line.append(f": {text if event.kind == 'done' else beginning(text)}" if text else "")
        self._console.print(line, soft_wrap=True)

    def _remind(self, every_s: float) -> None:
        with self._lock:
            running = [(identity, time.monotonic() - since) for identity, (since, _) in self._started.items()]
        for identity, seconds in running:
            if seconds >= every_s:
                doing = self._doing(identity)
                words = f"still     {identity}: {seconds:.0f} s{f', {doing}' if doing else ''}"
                self._console.print(words, markup=False, soft_wrap=True)
        if not running:
            seconds = time.monotonic() - self._entered
            self._console.print(f"still     asking channels, or solving: {seconds:.0f} s", soft_wrap=True)

    def _render(self) -> Group:
        table = Table.grid(padding=(0, 2))
        with self._lock:
            for identity, (since, reason) in self._started.items():
                table.add_row(
                    Text(f"  {identity}"), Text(f"{time.monotonic() - since:5.0f} s"), Text(reason, style="dim")
                )
        return Group(table, self._bar)


class UpstreamProgress(AbstractContextManager["UpstreamProgress"]):
    """Shows the assembling of an upstream channel; says nothing when there is nothing to do."""

    def __init__(self, console: Console, every_s: float = REMIND_SECONDS) -> None:
        self._console = console
        self._reminder = _Reminder(self._remind, every_s)
        self._started = time.monotonic()
        self._last: UpstreamEvent | None = None
        self._bar = Progress(
            TextColumn("[bold]upstream"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[now]}"),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("upstream", total=None, now="")

    def __enter__(self) -> UpstreamProgress:
        if self._console.is_terminal:
            self._bar.start()
        else:
            self._reminder.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reminder.stop()
        if self._console.is_terminal:
            self._bar.stop()

    def on_event(self, event: UpstreamEvent) -> None:
        self._last = event
        self._bar.update(self._task, completed=event.done, total=event.total, now=f"{event.kind} {event.name}")
        if not self._console.is_terminal and event.kind in ("made", "missing", "waiting"):
            self._console.print(f"{event.kind:<9} {event.name} {event.detail}".rstrip(), markup=False, soft_wrap=True)

    def _remind(self, every_s: float) -> None:
        event, seconds = self._last, time.monotonic() - self._started
        if event is not None:
            words = (
                f"still     upstream: {event.done} of {event.total}, {seconds:.0f} s; last: {event.kind} {event.name}"
            )
            self._console.print(words, markup=False, soft_wrap=True)


class _Reminder:
    """Calls `remind` every so many seconds, in a thread of its own, until it is stopped."""

    def __init__(self, remind: Callable[[float], None], every_s: float) -> None:
        self._remind = remind
        self._every_s = every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="wvforge-reminder")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Also if it was not started."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            self._remind(self._every_s)
