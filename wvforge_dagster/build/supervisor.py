"""Runs one command as a process tree that never outlives its reason: started as a script, imports nothing of wvforge.

    python -I supervisor.py DEADLINE_SECONDS MEMORY_BYTES [STUCK_SECONDS [DISK_BYTES [DESCRIPTOR]]] -- COMMAND...

0 is no limit. Into the descriptor it writes, at the end, the most bytes of memory that the tree was seen to hold at once.

The engine holds the interpreter's lock while it builds, and the scripts that it starts survive it; so this small process
stands between the orchestrator and the engine. It leads its own process group, adopts orphans (`PR_SET_CHILD_SUBREAPER`),
and ends everything below it when the command ends, when its standard input closes (the orchestrator died, even by
``kill -9``), on SIGTERM or SIGINT, when the deadline passes, when the tree holds too much memory, or when the working directory
holds too much. First SIGTERM, and SIGKILL `GRACE` seconds later. In a sandbox it runs inside, where it sees the tree.

Exit status: the command's, or 122 (disk), 123 (stuck, see `Watch`), 124 (deadline), 125 (memory), 126 (ended from outside),
128 + n (the command died of signal n).
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time

DISK, STUCK, DEADLINE, MEMORY, ENDED = 122, 123, 124, 125, 126
GRACE = 3.0
DAEMON_SECONDS = 5.0
STUCK_SECONDS = 60.0
WATCH_SECONDS = 2.0
_PIPE_WRITE, _NAMED_PIPE_OPEN = ("pipe_write", "anon_pipe_write"), "wait_for_partner"
_READABLE, _WRITABLE = 0o400, 0o200
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 1, 4, 36
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_SYS_KEYCTL = {"x86_64": 250, "aarch64": 219}
_JOIN_SESSION_KEYRING = 1
DISK_SECONDS = 3.0
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

    A daemon that a finished script left behind holds the script's output open: it is ended. Two waits last for ever, and
    `look` tells of them: that of a process whose output the engine no longer reads (0.73 stops at a byte that is not UTF-8),
    and that of the engine where it opens a pipe in the file system which nobody writes to. Pipes between other processes are
    their own affair: a slow reader may be at work. So may the orchestrator, or Ctrl-Z has stopped it: while the engine waits
    for that to read, everything may wait for the engine.

    Args:
        command: process id of the command, in which the engine runs.
        stuck_seconds: how long a thread waits, without being woken once, until the command is stuck.
    """

    def __init__(self, command: int, stuck_seconds: float) -> None:
        self.pause = min(WATCH_SECONDS, stuck_seconds / 4)
        self._command = command
        self._stuck_seconds = stuck_seconds
        self._looked = time.monotonic()
        self._idle_since: float | None = None
        self._waited: dict[tuple[int, str, str], float] = {}

    def look(self) -> bool:
        """To be called every `pause` seconds. Returns whether the command is stuck."""
        now = time.monotonic()
        # Whoever stops the whole tree stops this process too: that time is no waiting.
        passed, self._looked = min(now - self._looked, 3 * self.pause), now
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
        is_stopped = self._command in found and found[self._command][1] in "Tt"
        waits = set() if is_stopped else waits_on_engine(self._command)
        self._waited = {wait: self._waited[wait] + passed if wait in self._waited else 0.0 for wait in waits}
        return any(seconds > self._stuck_seconds for seconds in self._waited.values())


def waits_on_engine(engine: int) -> set[tuple[int, str, str]]:
    """Threads that wait for the engine to read what they wrote, and those of the engine that wait to open a named pipe.

    Each is a process id, a thread id, and how often it went to sleep: the same again means that nothing woke it in between.
    None, while the engine itself waits for somebody to read.
    """
    own = _places(engine)
    if any(place in _PIPE_WRITE for _, place in own):
        return set()
    found = {(engine, thread) for thread, place in own if place == _NAMED_PIPE_OPEN}
    read = _pipes(engine, _READABLE) or _read_ends_by_number(engine)
    for pid in descendants():
        for thread, place in _places(pid):
            if place in _PIPE_WRITE:
                written = _pipes(pid, _WRITABLE, _descriptor_in_use(pid, thread))
                if written and written <= read:
                    found.add((pid, thread))
    return {(pid, thread, _sleeps(pid, thread)) for pid, thread in found}


def _places(pid: int) -> list[tuple[str, str]]:
    """The threads of a process, each with the function of the kernel that it sleeps in."""
    return [(thread, _text(f"/proc/{pid}/task/{thread}/wchan").strip()) for thread in _names(f"/proc/{pid}/task")]


def _sleeps(pid: int, thread: str) -> str:
    lines = _text(f"/proc/{pid}/task/{thread}/status").splitlines()
    return next((line for line in lines if line.startswith("voluntary_ctxt_switches")), "")


def _descriptor_in_use(pid: int, thread: str) -> str | None:
    """The file descriptor that a writing thread writes to, or None where the kernel keeps that to itself."""
    words = _text(f"/proc/{pid}/task/{thread}/syscall").split()
    return str(int(words[1], 16)) if len(words) > 1 else None


def _pipes(pid: int, way: int, descriptor: str | None = None) -> set[str]:
    """The unnamed pipes that a process holds open for reading or for writing: all, or that of one descriptor."""
    found = set()
    for name in _names(f"/proc/{pid}/fd") if descriptor is None else [descriptor]:
        try:
            # Neither call asks the file itself: that could hang.
            file = os.readlink(f"/proc/{pid}/fd/{name}")
            if file.startswith("pipe:") and os.lstat(f"/proc/{pid}/fd/{name}").st_mode & way:
                found.add(file)
        except OSError:
            continue
    return found


def _read_ends_by_number(pid: int) -> set[str]:
    """The unnamed pipes that a closed process holds open for reading: of its descriptors the kernel tells the numbers only."""
    pipes = os.pipe()
    found = set()
    try:
        mount = _descriptor(os.getpid(), str(pipes[0])).get("mnt_id")
        for name in _names(f"/proc/{pid}/fdinfo"):
            told = _descriptor(pid, name)
            if mount and told.get("mnt_id") == mount and int(told["flags"], 8) & os.O_ACCMODE != os.O_WRONLY:
                found.add(f"pipe:[{told.get('ino')}]")
    finally:
        for descriptor in pipes:
            os.close(descriptor)
    return found


def _descriptor(pid: int, name: str) -> dict[str, str]:
    """What the kernel tells of a descriptor, by its words: ``flags``, ``mnt_id``, and since Linux 5.14 ``ino``."""
    pairs = (line.partition(":") for line in _text(f"/proc/{pid}/fdinfo/{name}").splitlines())
    return {word: value.strip() for word, _, value in pairs}


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _text(path: str) -> str:
    try:
        with open(path, errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


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


def size_of(folder: str) -> int:
    """Bytes that a folder takes on the disk; a file with several names counts once."""
    total, seen, folders = 0, set(), [folder]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    found = entry.stat(follow_symlinks=False)
                    if found.st_nlink == 1 or (found.st_dev, found.st_ino) not in seen:
                        total += found.st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif found.st_nlink > 1:
                        seen.add((found.st_dev, found.st_ino))
        except OSError:  # it is being removed
            continue
    return total


class DiskWatch(threading.Thread):
    """Measures a folder again and again, and rests longer than that takes; `is_full` once it held more than `most` bytes."""

    def __init__(self, folder: str, most: int) -> None:
        super().__init__(daemon=True)
        self.is_full = False
        self._folder, self._most = folder, most

    def run(self) -> None:
        while not self.is_full:
            started = time.monotonic()
            self.is_full = size_of(self._folder) > self._most
            time.sleep(max(DISK_SECONDS, 5 * (time.monotonic() - started)))


def leave_keyring() -> None:
    """A session keyring of the kernel is inherited, and may hold the user's keys: take an empty one, where that is allowed."""
    number = _SYS_KEYCTL.get(os.uname().machine)
    if number is not None:
        ctypes.CDLL(None).syscall(number, _JOIN_SESSION_KEYRING, None)


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
    kernel = ctypes.CDLL(None)
    kernel.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # A sandbox gives this process, and it alone, the right to look into closed ones.
    kernel.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def main() -> int:
    end_of_limits = sys.argv.index("--")
    deadline, memory, *stuck = sys.argv[1:end_of_limits]
    command = sys.argv[end_of_limits + 1 :]
    limit = time.monotonic() + float(deadline) if float(deadline) else float("inf")
    stuck_seconds = float(stuck[0]) if stuck else STUCK_SECONDS
    most_disk = int(stuck[1]) if len(stuck) > 1 else 0
    most = int(memory)
    tells = int(stuck[2]) if len(stuck) > 2 else None
    if tells is not None:
        # The command must not speak in this process's place.
        os.set_inheritable(tells, False)
    peak = 0
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    # A script of the same user is not to reach into this process, which nothing is kept from.
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0)
    leave_keyring()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_prepare_child)
    # Nobody may hold the output open once the command is done, or its reader would wait for an orphan.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    disk = DiskWatch(os.getcwd(), most_disk)
    if most_disk:
        disk.start()
    pause = 0.5
    watch, looked = Watch(child.pid, stuck_seconds or float("inf")), time.monotonic()
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
        if time.monotonic() - looked > watch.pause:
            looked = time.monotonic()
            peak = max(peak, resident(descendants()))
            if watch.look():
                status = STUCK
                break
        if most:
            peak = max(peak, resident(descendants()))
            if peak > most:
                status = MEMORY
                break
        if disk.is_full:
            status = DISK
            break
    end_tree()
    if tells is not None:
        # What the kernel knows of the largest single process counts what came and went between two looks.
        largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        try:
            os.write(tells, b"%d" % max(peak, largest))
        except OSError:  # nobody wants to know any more
            pass
    return status


if __name__ == "__main__":
    sys.exit(main())
