"""Processes by what they carry: which ones belong to a server or to a build, and ending them all."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process that was seen. `started`, in clock ticks since boot, tells it from a later one with the same id."""

    pid: int
    parent: int
    started: int
    command: str

    @property
    def is_alive(self) -> bool:
        """Whether it still runs; a zombie does not."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return False
        return fields[0] != "Z" and int(fields[19]) == self.started

    def kill(self) -> None:
        """``kill -9``."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def processes() -> list[Process]:
    """All processes that run now."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
                if fields[0] != "Z":
                    found.append(Process(int(folder.name), int(fields[1]), int(fields[19]), command))
    return found


def processes_with(mark: str) -> list[Process]:
    """The processes that have `mark` in their command or their environment, without this one and its parents."""
    found = []
    own = {process.pid for process in ancestors(os.getpid())} | {os.getpid()}
    for process in processes():
        if process.pid in own:
            continue
        environment = b""
        with suppress(OSError):
            environment = Path(f"/proc/{process.pid}/environ").read_bytes()
        if mark in process.command or mark.encode() in environment:
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
    """End a child and everything that carries its mark: asked first, with SIGTERM; killed after `seconds`."""
    seen = {process.pid: process for process in (*below(child.pid), *processes_with(mark))}
    with suppress(ProcessLookupError):
        child.terminate()
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        child.poll()
        seen |= {process.pid: process for process in processes_with(mark)}
        if not any(process.is_alive for process in seen.values()) and child.returncode is not None:
            return
        time.sleep(0.2)
    for process in (*seen.values(), *processes_with(mark)):
        if process.is_alive:
            process.kill()
    with suppress(ProcessLookupError):
        child.kill()
    child.wait(10)
