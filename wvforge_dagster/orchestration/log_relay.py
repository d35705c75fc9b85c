"""Passes the lines of a build to Dagster's log while it runs, several at a time: each entry costs a database write."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

INTERVAL_SECONDS = 1.0
MOST_LINES = 200


class LogRelay:
    """A context in which `write` may be called; what is left is passed on at its end. One thread logs, and no other."""

    def __init__(self, log: Callable[[str], object]) -> None:
        self._log = log
        self._lines: list[str] = []
        self._lock = threading.Lock()
        self._ended = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="wvforge-log-relay")

    def __enter__(self) -> LogRelay:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        self._wake.set()
        self._thread.join()

    def write(self, level: str, line: str) -> None:
        with self._lock:
            self._lines.append(line if level == "info" else f"{level}: {line}")
            full = len(self._lines) >= MOST_LINES
        if full:
            self._wake.set()

    def _run(self) -> None:
        while not self._ended:
            self._wake.wait(INTERVAL_SECONDS)
            self._wake.clear()
            self._flush()
        self._flush()

    def _flush(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
        if lines:
            self._log("\n".join(lines))
