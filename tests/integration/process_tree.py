"""Processes by what they carry: which ones belong to a server or to a build, and ending them all."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process that was seen. `started`, in clock ticks since boot, tells it from a later one with the same id."""

    pid: int
    parent: int
    session: int
    started: int
    command: str

    @property
    def is_alive(self) -> bool:
        """Whether it still runs; a zombie does not."""
        return self._state not in ("", "Z")

    @property
    def is_stopped(self) -> bool:
        """Whether it was told to stop, and did, or has ended."""
        return self._state in ("", "Z", "T")

    @property
    def _state(self) -> str:
        """The kernel's letter; none if it has ended."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            return ""
        return fields[0] if int(fields[19]) == self.started else ""

    def kill(self) -> None:
        """``kill -9``."""
        self.send(signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)


def processes() -> list[Process]:
    """All processes that run now."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
                if fields[0] != "Z":
                    found.append(Process(int(folder.name), int(fields[1]), int(fields[3]), int(fields[19]), command))
    return found


def processes_with(mark: str) -> list[Process]:
    """The processes that have `mark` in their command, working directory or environment, without this one and its parents."""
    found = []
    own = {process.pid for process in ancestors(os.getpid())} | {os.getpid()}
    for process in processes():
        if process.pid in own:
            continue
        if mark in process.command or mark in _folder(process) or mark in _environment(process):
            found.append(process)
    return found


def ancestors(pid: int) -> list[Process]:
    """The parents of a process, the nearest first, without the process of the operating system's start."""
    by_pid = {process.pid: process for process in processes()}
    found = []
    here = by_pid.get(pid)
    while here is not None and here.parent in by_pid:
        here = by_pid[here.parent]
        found.append(here)
    return found


def below(pid: int) -> list[Process]:
    """The processes that a process started, and those that they started."""
    every = processes()
    pids = {pid}
    found: list[Process] = []
    while True:
        new = [process for process in every if process.parent in pids and process.pid not in pids]
        if not new:
            return found
        found += new
        pids |= {process.pid for process in new}


def end_tree(child: subprocess.Popen[bytes], mark: str, *, seconds: float) -> None:
    """End a child, all that carries its mark, and all below those: asked first, with SIGTERM; killed after `seconds`.

    What a killed process leaves behind gets `seconds` to end by itself, and is killed then.
    """
    seen: dict[tuple[int, int], Process] = {}

    def remaining() -> list[Process]:
        for root in (child.pid, *(process.pid for process in processes_with(mark))):
            for process in (*below(root), *processes_with(mark)):
                seen[process.pid, process.started] = process
        child.poll()
        return [process for process in seen.values() if process.is_alive]

    remaining()
    with suppress(ProcessLookupError):
        child.terminate()
    if not _within(seconds, remaining):
        for process in remaining():
            if mark in _environment(process):
                process.kill()
        if not _within(seconds, remaining):
            for process in remaining():
                process.kill()
    child.wait(10)


def _within(seconds: float, remaining: Callable[[], list[Process]]) -> bool:
    limit = time.monotonic() + seconds
    while remaining():
        if time.monotonic() > limit:
            return False
        time.sleep(0.2)
    return True


def _folder(process: Process) -> str:
    try:
        return str(Path(f"/proc/{process.pid}/cwd").readlink())
    except OSError:
        return ""


def _environment(process: Process) -> str:
    try:
        return Path(f"/proc/{process.pid}/environ").read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""
