"""The supervisor, run as the script that it is, over shell scripts that try to outlive it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from build.places import is_running, read_pid, sandboxed, wait_until
from wvforge_dagster.build import supervisor
from wvforge_dagster.build.sandbox import Sandbox, find_sandbox

# Each writes the id of a process that would run for long, and waits.
TREES = {
    "child": "sleep 300 & echo $! > pid; wait",
    "grandchild": "sh -c 'sleep 300 & echo $! > pid; wait'",
    "orphan": "(sleep 300 & echo $! > pid) ; sleep 300",
    "setsid": "setsid sh -c 'echo $$ > pid; exec sleep 300' & sleep 300",
    "nohup": "nohup sh -c 'echo $$ > pid; sleep 300; true' > /dev/null 2>&1 & sleep 300",
    "ignores": "sh -c 'trap \"\" TERM HUP INT; echo $$ > pid; sleep 300; sleep 300' & sleep 300",
    "daemon": "setsid nohup sh -c 'sleep 300 & echo $! > pid' > /dev/null 2>&1; sleep 300",
}

STUCK = 2.0
ENGINE = """
import os, signal, subprocess, sys, time

def start():
    return subprocess.Popen(["sh", "-c", sys.argv[1]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

"""


class Supervised:
    """Supervisors started in `folder`; whatever is left of them is ended with the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[bytes]] = []

    def start(
        self, command: list[str], *, deadline: float = 60, memory: int = 0, stuck: float | None = None
    ) -> subprocess.Popen[bytes]:
        limits = [str(limit) for limit in (deadline, memory, stuck) if limit is not None]
        child = subprocess.Popen(
            [sys.executable, "-I", supervisor.__file__, *limits, "--", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            start_new_session=True,
        )
        self._started.append(child)
        return child

    def shell(self, script: str, *, deadline: float = 60, memory: int = 0) -> subprocess.Popen[bytes]:
        return self.start(["sh", "-c", script], deadline=deadline, memory=memory)

    def engine(self, code: str, script: str = "") -> subprocess.Popen[bytes]:
        """A Python program in the engine's place, stuck after `STUCK` seconds; ``start()`` in it starts the script."""
        return self.start([sys.executable, "-c", ENGINE + code, script], stuck=STUCK)

    def read(self, script: str) -> bytes:
        """What a script prints. The supervisor's standard input stays open: it ends the script when that closes."""
        child = self.shell(script)
        assert child.stdout is not None
        printed = child.stdout.read()
        child.wait(30)
        return printed

    def pid(self) -> int:
        return read_pid(self.folder / "pid")

    def close(self) -> None:
        for child in self._started:
            if child.poll() is None:
                child.kill()
            child.wait(30)
            for stream in (child.stdin, child.stdout):
                if stream is not None:
                    stream.close()


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    made = Supervised(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("status", [0, 1, 3, 99])
def test_the_commands_exit_status_is_passed_through(supervised: Supervised, status: int) -> None:
    assert supervised.shell(f"exit {status}").wait(30) == status


def test_a_commands_death_of_a_signal_is_its_exit_status(supervised: Supervised) -> None:
    assert supervised.shell("kill -SEGV $$").wait(30) == 128 + signal.SIGSEGV


def test_what_the_command_prints_is_passed_through(supervised: Supervised) -> None:
    assert supervised.read("echo out; echo err >&2") == b"out\nerr\n"


@pytest.mark.parametrize("tree", TREES)
def test_sigterm_ends_the_whole_tree(supervised: Supervised, tree: str) -> None:
    child = supervised.shell(TREES[tree])
    pid = supervised.pid()
    child.terminate()
    assert child.wait(15) == supervisor.ENDED
    assert wait_until(lambda: not is_running(pid), 2)


@pytest.mark.parametrize("tree", ["grandchild", "setsid", "ignores"])
def test_the_end_of_its_parent_ends_the_whole_tree(supervised: Supervised, tree: str) -> None:
    child = supervised.shell(TREES[tree])
    pid = supervised.pid()
    assert child.stdin is not None
    child.stdin.close()
    assert child.wait(15) == supervisor.ENDED
    assert wait_until(lambda: not is_running(pid), 2)


@pytest.mark.parametrize("tree", ["grandchild", "setsid", "nohup", "daemon"])
def test_kill_9_of_its_parent_ends_the_whole_tree(tmp_path: Path, tree: str) -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time\n"
            "subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, start_new_session=True)\n"
            "time.sleep(300)\n",
            *(sys.executable, "-I", supervisor.__file__, "60", "0", "--", "sh", "-c", TREES[tree]),
        ],
        cwd=tmp_path,
    )
    pid = read_pid(tmp_path / "pid")
    assert is_running(pid)
    parent.kill()
    parent.wait(30)
    assert wait_until(lambda: not is_running(pid), 15)


@pytest.mark.parametrize("tree", ["child", "setsid", "ignores"])
def test_the_deadline_ends_the_whole_tree(supervised: Supervised, tree: str) -> None:
    child = supervised.shell(TREES[tree], deadline=1)
    pid = supervised.pid()
    assert child.wait(20) == supervisor.DEADLINE
    assert wait_until(lambda: not is_running(pid), 2)


def test_too_much_memory_in_any_process_of_the_tree_ends_it(supervised: Supervised) -> None:
    hog = "import os, time; open('pid', 'w').write(str(os.getpid())); held = b'x' * (200 << 20); time.sleep(300)"
    child = supervised.start(["setsid", "-w", sys.executable, "-c", hog], memory=100 << 20)
    pid = supervised.pid()
    assert child.wait(20) == supervisor.MEMORY
    assert wait_until(lambda: not is_running(pid), 2)


def test_memory_below_the_limit_is_no_fault(supervised: Supervised) -> None:
    child = supervised.start([sys.executable, "-c", "import time; time.sleep(1.2)"], memory=1 << 30)
    assert child.wait(30) == 0


@pytest.mark.parametrize("tree", ["orphan", "setsid", "daemon"])
def test_what_the_command_leaves_behind_is_ended_with_it(supervised: Supervised, tree: str) -> None:
    script = TREES[tree].rsplit("sleep 300", 1)[0] + "while ! test -s pid; do sleep 0.05; done; exit 7"
    child = supervised.shell(script)
    pid = supervised.pid()
    assert child.wait(20) == 7
    assert wait_until(lambda: not is_running(pid), 2)


def test_nobody_can_hold_the_output_open_once_the_command_is_done(supervised: Supervised) -> None:
    assert supervised.read("setsid sleep 300 & echo done") == b"done\n"


def test_the_memory_of_processes_that_are_gone_is_none() -> None:
    assert supervisor.resident([2**22 + 1]) == 0
    assert supervisor.resident([os.getpid()]) > 1 << 20


@pytest.mark.parametrize(
    ("code", "script"),
    [
        ("start().wait()", "head -c 1M /dev/zero"),
        ("start().wait()", "head -c 1M /dev/zero | cat | cat"),
        ("start().wait()", "head -c 1M /dev/zero >&2 | sleep 60"),
        ("start().wait()", "cp $(command -v head) $(printf 'caf\\351'); ./caf* -c 1M /dev/zero"),
        ("os.mkfifo('named'); open('named')", ""),
    ],
    ids=[
        "output",
        "output of a pipeline",
        "output, beside another pipe",
        "output of a program whose name is not UTF-8",
        "a named pipe",
    ],
)
def test_a_wait_that_only_the_engine_could_end_is_stuck(supervised: Supervised, code: str, script: str) -> None:
    assert supervised.engine(code, script).wait(30) == supervisor.STUCK


@sandboxed
def test_a_closed_engine_in_a_sandbox_is_seen_to_be_stuck(tmp_path: Path) -> None:
    code = "import ctypes; ctypes.CDLL(None).prctl(4, 0, 0, 0, 0); start().wait()"
    command = [sys.executable, "-I", supervisor.__file__, "60", "0", str(STUCK), "--"]
    command += [sys.executable, "-c", ENGINE + code, "head -c 1M /dev/zero"]
    command = [*Sandbox(find_sandbox()).command(tmp_path), *command]
    with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=tmp_path) as child:
        assert child.wait(30) == supervisor.STUCK


def test_the_pipes_that_a_closed_process_reads_are_known_by_their_numbers() -> None:
    with subprocess.Popen(["sleep", "60"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert supervisor._read_ends_by_number(child.pid) == supervisor._pipes(child.pid, supervisor._READABLE)
        assert f"pipe:[{os.fstat(child.stdin.fileno()).st_ino}]" in supervisor._read_ends_by_number(child.pid)
        child.kill()


@pytest.mark.parametrize(
    ("code", "script"),
    [
        ("sys.exit(start().wait())", "head -c 1M /dev/zero | (sleep 6; cat > /dev/null)"),
        ("sys.exit(start().wait())", "mkfifo named; (sleep 6; echo > named) & cat named"),
        ("slow = start()\nwhile slow.stdout.read(1 << 16): time.sleep(0.4)", "head -c 1M /dev/zero"),
        (
            "script = start()\nos.kill(os.getpid(), signal.SIGSTOP)\nwhile script.stdout.read(1 << 16): pass",
            "(sleep 6; kill -CONT $PPID) & head -c 1M /dev/zero",
        ),
    ],
    ids=["a slow reader in a pipeline", "a named pipe between scripts", "a slow engine", "a stopped engine"],
)
def test_a_pipe_that_somebody_is_still_to_read_or_write_is_not_stuck(
    supervised: Supervised, code: str, script: str
) -> None:
    assert supervised.engine(code, script).wait(30) == 0


def test_what_waits_for_a_stopped_reader_of_the_commands_own_output_is_not_stuck(supervised: Supervised) -> None:
    code = "script = start()\nwhile part := script.stdout.read(4096): sys.stdout.buffer.write(part)"
    child = supervised.engine(code, "head -c 1M /dev/zero")
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(3 * STUCK)
    assert child.stdout is not None
    assert len(child.stdout.read()) == 1 << 20
    assert child.wait(30) == 0
