"""Runs one command as a process tree that never outlives its reason: started as a script, imports nothing of wvforge.

    python -I supervisor.py DEADLINE_SECONDS MEMORY_BYTES -- COMMAND...      (0: no limit)

The engine holds the interpreter's lock while it builds, and the scripts that it starts survive it; so this small process
stands between the orchestrator and the engine. It leads its own process group, adopts orphans (`PR_SET_CHILD_SUBREAPER`),
and ends everything below it when the command ends, when its standard input closes (the orchestrator died, even by
``kill -9``), on SIGTERM or SIGINT, when the deadline passes, or when the tree holds too much memory. First SIGTERM, and
SIGKILL `GRACE` seconds later.

Exit status: the command's, or 123 (stuck, see `Watch`), 124 (deadline), 125 (memory), 126 (ended from outside), 128 + n (the
command died of signal n).
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time

STUCK, DEADLINE, MEMORY, ENDED = 123, 124, 125, 126
GRACE = 3.0
DAEMON_SECONDS = 5.0
STUCK_SECONDS = 60.0
WATCH_SECONDS = 2.0
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_PAGE = os.sysconf("SC_PAGE_SIZE")


def descendants() -> list[int]:
    """Process ids of everything below this process, by the kernel's parent links."""
    parents = {pid: parent for pid, (parent, _) in processes().items()}
    found = [os.getpid()]
    for pid in found:
        found.extend(child for child, parent in parents.items() if parent == pid)
    return found[1:]


def processes() -> dict[int, tuple[int, str]]:
    """Parent and state letter of every process, by process id."""
    found: dict[int, tuple[int, str]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as stream:
                    state, parent = stream.read().rsplit(b")", 1)[1].split()[:2]
                found[int(entry)] = (int(parent), state.decode())
            except (OSError, IndexError, ValueError):
                continue
    return found


class Watch:
    """Notices what the engine would wait for until the deadline, though nothing can come of it any more.

    A daemon that a finished script left behind holds the script's output open: it is ended. A process that nobody reads from
    (the engine, 0.73, stops reading a script's output at a byte that is not UTF-8), or a thread that opens a pipe in the
    file system which nobody writes to, stays in that state for ever: `look` tells.
    """

    def __init__(self, command: int) -> None:
        self._command = command
        self._idle_since: float | None = None
        self._stuck_since: dict[int, float] = {}

    def look(self) -> bool:
        """To be called every few seconds. Returns whether the command is stuck."""
        now = time.monotonic()
        found = processes()
        orphans = [pid for pid, (parent, state) in found.items() if parent == os.getpid() and pid != self._command]
        idle = not any(parent == self._command and state != "Z" for parent, state in found.values())
        self._idle_since = (self._idle_since or now) if idle and orphans else None
        if self._idle_since is not None and now - self._idle_since > DAEMON_SECONDS:
            for pid in orphans:
                try:
                    os.kill(pid, signal.SIGTERM if now - self._idle_since < 2 * DAEMON_SECONDS else signal.SIGKILL)
                except ProcessLookupError:
                    pass
        stuck = {pid for pid in descendants() if _waits_for_a_pipe(pid)}
        self._stuck_since = {pid: self._stuck_since.get(pid, now) for pid in stuck}
        return any(now - since > STUCK_SECONDS for since in self._stuck_since.values())


def _waits_for_a_pipe(pid: int) -> bool:
    """Whether a thread of the process waits for the other end of a pipe: to read what it wrote, or to open a named one."""
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/wchan") as stream:
                if stream.read().strip() in ("pipe_write", "anon_pipe_write", "fifo_pipe_write", "wait_for_partner"):
                    return True
    except OSError:
        pass
    return False


def resident(pids: list[int]) -> int:
    """Bytes of memory that these processes hold. Shared pages count once for each."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/statm", "rb") as stream:
                total += int(stream.read().split()[1]) * _PAGE
        except (OSError, IndexError, ValueError):
            continue
    return total


def end_tree() -> None:
    """End everything below this process, and reap it."""
    for signal_number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, 5.0)):
        limit = time.monotonic() + patience
        while True:
            remaining = descendants()
            for pid in remaining:
                try:
                    os.kill(pid, signal_number)
                except ProcessLookupError:
                    pass
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                return
            if time.monotonic() > limit:
                break
            time.sleep(0.05)


def _prepare_child() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def main() -> int:
    deadline, memory, _, *command = sys.argv[1:]
    limit = time.monotonic() + float(deadline) if float(deadline) else float("inf")
    most = int(memory)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_prepare_child)
    # Nobody may hold the output open once the command is done, or its reader would wait for an orphan.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    pause = 0.5
    watch, looked = Watch(child.pid), time.monotonic()
    while True:
        ready, _, _ = select.select([0, wake_read], [], [], max(0.0, min(pause, limit - time.monotonic())))
        if wake_read in ready and set(os.read(wake_read, 512)) - {signal.SIGCHLD}:
            status = ENDED
            break
        if 0 in ready and not os.read(0, 512):
            status = ENDED
            break
        code = child.poll()
        if code is not None:
            status = code if code >= 0 else 128 - code
            break
        if time.monotonic() >= limit:
            status = DEADLINE
            break
        if time.monotonic() - looked > WATCH_SECONDS:
            looked = time.monotonic()
            if watch.look():
                status = STUCK
                break
        if most and resident(descendants()) > most:
            status = MEMORY
            break
    end_tree()
    return status


if __name__ == "__main__":
    sys.exit(main())
