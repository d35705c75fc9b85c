"""Child processes that end with their reason (see `supervisor`) and speak in lines of JSON.

The child's standard output carries one JSON object a line: ``{"event": ..., ...}``. Its standard error is kept and shown
only when it dies without an answer.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from wvforge_dagster.build import supervisor
from wvforge_dagster.build.sandbox import Sandbox
from wvforge_dagster.settings import child_environment

STOP_SECONDS = 8.0
"""How long a child may take to end with everything below it, before its supervisor is killed too."""


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
    """How a child ended. `stderr` holds its last 4,000 characters; `memory` is the most that it held, with everything below it.

    What it said counts only if its exit status is 0: a script may speak in the name of the process that runs it, but not
    without ending it, or being contradicted.
    """

    exit_status: int
    stderr: str
    memory: int = 0

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
        return self.exit_status in (supervisor.ENDED, -signal.SIGTERM, -signal.SIGINT, -signal.SIGKILL)


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
    with request_path.open("x", encoding="utf-8") as stream:
        json.dump(request, stream)
    numbers = [str(limits.seconds), str(limits.memory), str(limits.stuck_seconds), str(limits.disk)]
    told, tells = os.pipe()
    # Who was killed says nothing, and a child of it may hold the other end open.
    os.set_blocking(told, False)
    command = sandbox.command(folder) if sandbox is not None else []
    command += [sys.executable, "-I", "-S", supervisor.__file__, *numbers, str(tells), "--"]
    command += [sys.executable, "-P", "-m", module, str(request_path)]
    cores = {"CPU_COUNT": str(limits.cores)} if limits.cores else {}
    with tempfile.TemporaryFile() as errors, os.fdopen(told, "rb", buffering=0) as measured:
        try:
            child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=folder,
                env=child_environment(folder / "home", folder / "tmp") | cores | dict(environment or {}),
                start_new_session=True,
                pass_fds=[tells],
            )
        finally:
            os.close(tells)
        try:
            assert child.stdout is not None
            _read_events(child.stdout, on_event)
            child.wait()
        finally:
            _stop(child)
        errors.seek(max(0, errors.seek(0, os.SEEK_END) - 4000))
        memory = measured.read(32) or b""
        return ChildResult(
            child.returncode, errors.read().decode("utf-8", "replace"), int(memory) if memory.isdigit() else 0
        )


def _read_events(stream: IO[bytes], on_event: Callable[[dict[str, Any]], None]) -> None:
    for line in stream:
        # A script may write to the same terminal through inherited descriptors; only whole events count.
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and "event" in event:
            on_event(event)


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
