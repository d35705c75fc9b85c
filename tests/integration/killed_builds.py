"""Builds that end by ``kill -9``: starting one, killing a part of it at some moment, and what has to be gone then."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from integration.commands import environment, program
from integration.process_tree import Process, below, processes, processes_with

MAIN, WORKER, FORK_SERVER = "main process", "run worker", "fork server"
VICTIMS = (MAIN, MAIN, MAIN, WORKER, FORK_SERVER)
"""Whom to kill; each is as likely as it is often here."""

GONE_SECONDS = 15.0
"""How long what was started by a killed process may go on."""

KILLED = "the process that ran it was killed"


class Build:
    """``wvforge build`` with two jobs, in a session of its own. What it says goes to a file.

    Its processes are known by that session, by a mark in a variable of the environment that the builds see too, and by the
    forge's path in their environment, command or working directory.
    """

    def __init__(self, forge: Path, says: Path) -> None:
        self.forge = forge
        self.says = says
        self._logs = set(self._all_logs())
        self._mark = f"{uuid.uuid4()}.invalid"
        proxied = os.environ.get("NO_PROXY", "")
        with says.open("wb") as output:
            self._main = subprocess.Popen(
                [program("wvforge"), "--forge", str(forge), "build", "--jobs", "2"],
                env=environment(NO_PROXY=f"{proxied},{self._mark}"),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def ended_within(self, seconds: float) -> bool:
        """Whether its main process ends by itself in that time."""
        try:
            self._main.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return False
        return True

    @property
    def status(self) -> int | None:
        """The exit status of the main process, or None while it runs."""
        return self._main.poll()

    @property
    def has_begun(self) -> bool:
        """Whether it began to build a package variant: whether there is a log that was not there before."""
        return any(log not in self._logs for log in self._all_logs())

    def _all_logs(self) -> Iterator[Path]:
        return (self.forge / "output" / "logs").glob("*/*/*.log")

    @property
    def text(self) -> str:
        """What it said."""
        return self.says.read_text(encoding="utf-8", errors="replace")

    @property
    def moment(self) -> str:
        """What it is at, as far as it said."""
        starts = re.findall(r"^making ", self.text, re.MULTILINE)
        ends = re.findall(r"^(?:done|FAILED) ", self.text, re.MULTILINE)
        if len(starts) > len(ends):
            return "while it built"
        return "after its last build" if starts else "before its first build"

    @property
    def processes(self) -> list[Process]:
        """All of it that runs."""
        found = {process.pid: process for process in processes() if process.session == self._main.pid}
        for mark in (self._mark, str(self.forge)):
            found |= {process.pid: process for process in processes_with(mark)}
        return [process for process in found.values() if process.is_alive]

    @property
    def fork_servers(self) -> list[Process]:
        """The process that the run workers are forked from, if it is there."""
        children = [process for process in processes() if process.parent == self._main.pid]
        return [process for process in children if "multiprocessing.forkserver" in process.command]

    @property
    def workers(self) -> list[Process]:
        """The run workers."""
        servers = {process.pid for process in self.fork_servers}
        return [process for process in processes() if process.parent in servers]

    def kill(self) -> None:
        """``kill -9`` of the main process, and of nothing else."""
        self._main.kill()
        self._main.wait()

    def kill_part(self, victim: Process) -> list[Process]:
        """``kill -9`` of one of its processes. Returns what that one had started, directly or not."""
        victim.send(signal.SIGSTOP)
        started = below(victim.pid)
        victim.kill()
        return started

    def kill_when(
        self, happens: Callable[[], bool], *, seconds: float, still: Callable[[], bool] = lambda: True
    ) -> bool:
        """``kill -9`` of the run workers, and then of the main process, at a moment in which `happens` says yes.

        Args:
            happens: asked all the time, so it has to be quick; and once more with the workers stopped: the moment may be over.
            still: asked then too, and may take its time.

        Returns:
            Whether it happened in that time.
        """
        limit = time.monotonic() + seconds
        workers: list[Process] = []
        looked = 0.0
        while self.status is None and time.monotonic() < limit:
            if time.monotonic() - looked > 0.5:
                workers, looked = self.workers, time.monotonic()
            if not (workers and happens()):
                continue
            for worker in workers:
                worker.send(signal.SIGSTOP)
            while not all(worker.is_stopped for worker in workers):
                pass
            if happens() and still():
                for worker in workers:
                    worker.kill()
                self.kill()
                return True
            for worker in workers:
                worker.send(signal.SIGCONT)
        return False


@dataclass(frozen=True)
class Round:
    """A build, and how it ended.

    Attributes:
        victim: what was killed first, or "nobody".
        moment: what the build was at then.
        seconds: from its start to the end of its main process.
        left_seconds: until no process of it was left after that.
        faults: what must not be.
    """

    victim: str
    moment: str
    seconds: float
    left_seconds: float
    faults: tuple[str, ...]


def kill_one(forge: Path, says: Path, random: Random, longest: float, *, in_a_build: bool = False) -> Round:
    """Start a build, and kill it within `longest` seconds: its main process, or a part of it first and that one later.

    Args:
        in_a_build: count the seconds from when it builds its first package variant.
    """
    started = time.monotonic()
    build = Build(forge, says)
    while in_a_build and not build.has_begun and not build.ended_within(0.05):
        pass
    victim, moment, faults = "nobody", "", []
    wanted = random.choice(VICTIMS)
    begun = time.monotonic()
    until = sorted(begun + random.uniform(0, longest) for _ in range(1 if wanted == MAIN else 2))
    if wanted != MAIN and not build.ended_within(until[0] - time.monotonic()):
        parts = build.workers if wanted == WORKER else build.fork_servers
        if parts:
            victim, moment = wanted, build.moment
            orphans = build.kill_part(random.choice(parts))
            faults += time_until_gone(lambda: [process for process in orphans if process.is_alive]).faults
    if not build.ended_within(until[-1] - time.monotonic()):
        if victim == "nobody":
            victim, moment = MAIN, build.moment
        build.kill()
    elif victim == "nobody":
        moment = f"ended with {build.status}"
    seconds = time.monotonic() - started
    left = time_until_gone(lambda: build.processes)
    return Round(victim, moment, seconds, left.seconds, (*faults, *left.faults, *_said(build, victim)))


@dataclass(frozen=True)
class Gone:
    """When nothing was left, and what was after all."""

    seconds: float
    faults: tuple[str, ...]


def time_until_gone(remaining: Callable[[], list[Process]]) -> Gone:
    """Wait until nothing remains, but not longer than it may take; what remains then is killed."""
    started = time.monotonic()
    while time.monotonic() - started < GONE_SECONDS:
        if not remaining():
            return Gone(time.monotonic() - started, ())
        time.sleep(0.05)
    left = remaining()
    for process in left:
        process.kill()
    return Gone(GONE_SECONDS, tuple(f"runs on: {process.pid} {process.command[:200]}" for process in left))


def _said(build: Build, victim: str) -> list[str]:
    """Faults that the build told of, other than that a part of it was killed."""
    text = build.text
    faults = [line for line in text.splitlines() if line.startswith("FAILED ") and KILLED not in line]
    if "Traceback" in text:
        faults.append(f"it raised: {text[text.index('Traceback') :][-1500:]}")
    allowed = {0, -signal.SIGKILL} | ({1} if victim in (WORKER, FORK_SERVER) else set())
    if build.status not in allowed:
        faults.append(f"it ended with {build.status}: {text[-1500:]}")
    return faults
