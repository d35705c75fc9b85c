"""Child processes that end with their reason (see `supervisor`) and answer in `events`.

The child's standard output carries the events. The end of its standard error is kept, and shown only when it dies without an
answer. Both may be written to by scripts, without an end.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from wvforge_dagster.build import supervisor
from wvforge_dagster.build.events import EventReader, write_request
from wvforge_dagster.build.sandbox import Sandbox
from wvforge_dagster.settings import child_environment

STOP_SECONDS = 8.0
"""How long a child may take to end with everything below it, before its supervisor is killed too."""

MOST_IN_A_LINE = 64 << 20
"""Bytes of one event: the longest is the list of a package's files."""

MOST_SAID = 1 << 30
"""Bytes of all events: most are lines of the log, which is kept."""

MOST_NOISE = 64 << 10
"""Bytes of what comes out of the child's pipe and is no event of it."""

_LAST_WORDS = 4000
_JOIN_SECONDS = 2.0


@dataclass(frozen=True)
class ChildLimits:
    """What a child and everything below it may use; 0 means no limit.

    Attributes:
        seconds: wall time.
        memory: resident memory, in bytes.
        stuck_seconds: time in which nothing moves that only the engine could move (see `supervisor.Watch`).
        disk: what its own folder takes on the disk, in bytes.
        cores: that scripts are told of (``CPU_COUNT``).
    """

    seconds: float = 0
    memory: int = 0
    stuck_seconds: float = supervisor.STUCK_SECONDS
    disk: int = 0
    cores: int = 0


@dataclass(frozen=True)
class ChildResult:
    """How a child ended. `stderr` holds its last 4,000 characters; `memory` is the most that it held, with everything below it;
    `wrong_words`: what was wrong with what it said, where it was ended for that, as a predicate.

    What it said counts only if its exit status is 0.
    """

    exit_status: int
    stderr: str
    memory: int = 0
    wrong_words: str = ""

    @property
    def timed_out(self) -> bool:
        return self.exit_status == supervisor.DEADLINE

    @property
    def stuck(self) -> bool:
        return self.exit_status == supervisor.STUCK

    @property
    def out_of_memory(self) -> bool:
        return self.exit_status == supervisor.MEMORY

    @property
    def disk_full(self) -> bool:
        return self.exit_status == supervisor.DISK

    @property
    def was_ended(self) -> bool:
        ends = (supervisor.ENDED, -signal.SIGTERM, -signal.SIGINT, -signal.SIGKILL)
        return self.exit_status in ends and not self.wrong_words


def run_child(
    module: str,
    request: Mapping[str, Any],
    on_event: Callable[[dict[str, Any]], None],
    *,
    limits: ChildLimits,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    sandbox: Sandbox | None = None,
) -> ChildResult:
    """Run ``python -m module`` in a supervised process group of its own, and wait for it.

    Args:
        module: name of the module; it is given the path of the request (JSON) as its only argument.
        on_event: called for each event in the calling thread. What it raises ends the child.
        folder: a private folder of the child: its working directory, home and temporary folder. No child ran in it before.
        environment: added to the scrubbed environment of `settings.child_environment`.
        sandbox: what it runs in, with its supervisor; None for no sandbox.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Made here, or refused: what a script left in its place, such as a link, would lead this process elsewhere.
    for name in ("home", "tmp"):
        (folder / name).mkdir()
    request_path = folder / "request.json"
    # Without a sandbox a script finds enough else, and the supervisor could not look into a closed process (`Watch`).
    reader = write_request(request_path, request, closed=sandbox is not None)
    numbers = [str(limits.seconds), str(limits.memory), str(limits.stuck_seconds), str(limits.disk)]
    told, tells = os.pipe()
    # Who was killed says nothing, and a child of it may hold the other end open.
    os.set_blocking(told, False)
    command = sandbox.command(folder) if sandbox is not None else []
    command += [sys.executable, "-I", "-S", supervisor.__file__, *numbers, str(tells), "--"]
    command += [sys.executable, "-P", "-m", module, str(request_path)]
    cores = {"CPU_COUNT": str(limits.cores)} if limits.cores else {}
    with os.fdopen(told, "rb", buffering=0) as measured:
        try:
            child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=folder,
                env=child_environment(folder / "home", folder / "tmp") | cores | dict(environment or {}),
                start_new_session=True,
                pass_fds=[tells],
            )
        finally:
            os.close(tells)
        assert child.stdout is not None
        assert child.stderr is not None
        last_words = _LastWords(child.stderr)
        try:
            last_words.start()
            wrong_words = _read_events(child.stdout, reader, on_event)
            if not wrong_words:
                child.wait()
        finally:
            _stop(child)
            last_words.join(_JOIN_SECONDS)
        memory = measured.read(32) or b""
        held = int(memory) if memory.isdigit() else 0
        return ChildResult(child.returncode, last_words.text(), held, wrong_words)


def _read_events(stream: IO[bytes], reader: EventReader, on_event: Callable[[dict[str, Any]], None]) -> str:
    """Pass the child's events on until it closes its end, or until something is wrong with them, which is returned."""
    said = noise = 0
    while line := stream.readline(MOST_IN_A_LINE):
        said += len(line)
        if len(line) == MOST_IN_A_LINE:
            return f"said more than {MOST_IN_A_LINE >> 20} MiB in one line; make it shorter"
        if said > MOST_SAID:
            return f"said more than {MOST_SAID >> 20:,} MiB; send its output to a file"
        event = reader.read(line)
        if event is not None:
            on_event(event)
            continue
        noise += len(line)
        if noise > MOST_NOISE:
            return "was ended: something else spoke in its name"
    return ""


class _LastWords(threading.Thread):
    """Reads a stream to its end, and keeps the last of it. Should the stream never end, the thread ends with the process."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._kept = b""

    def run(self) -> None:
        with self._stream:
            while chunk := os.read(self._stream.fileno(), 1 << 16):
                self._kept = (self._kept + chunk)[-4 * _LAST_WORDS :]

    def text(self) -> str:
        return self._kept.decode("utf-8", "replace")[-_LAST_WORDS:]


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End the child, if it has not ended, with everything below it."""
    if child.stdin is not None:
        child.stdin.close()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    if child.stdout is not None:
        child.stdout.close()
