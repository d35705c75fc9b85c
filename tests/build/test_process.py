from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from build.places import is_running, read_pid, supervisors, wait_until
from wvforge_dagster.build import process
from wvforge_dagster.build.process import ChildLimits, ChildResult, run_child

CHILD = """
import json, os, signal, subprocess, sys, time
from wvforge_dagster.build.events import begin
request, events = begin()
say = lambda event, **values: events.send(event, **values)
exec(request["code"])
"""


class Child:
    """A module of a few lines that `run_child` runs, as it runs the workers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[dict[str, Any]] = []
        self._runs: list[str] = []
        package = folder / "modules"
        package.mkdir()
        (package / "wvforge_test_child.py").write_text(CHILD)
        self.environment = {"PYTHONPATH": str(package)}

    def run(self, code: str, *, limits: ChildLimits | None = None, **environment: str) -> ChildResult:
        self._runs.append(code)
        return run_child(
            "wvforge_test_child",
            {"code": code},
            self.events.append,
            limits=limits or ChildLimits(seconds=60),
            folder=self.folder / f"own{len(self._runs)}",
            environment=self.environment | environment,
        )


@pytest.fixture
def child(tmp_path: Path) -> Child:
    return Child(tmp_path)


def test_events_arrive_in_order_and_noise_does_not(child: Child) -> None:
    result = child.run(
        "say(event='one', value='ü'); os.write(events._stream.fileno(), b'noise\\n[1]\\n{\"event\": \"three\"}\\n');"
        "print('noise'); say(event='two')"
    )
    assert [event["event"] for event in child.events] == ["one", "two"]
    assert result.exit_status == 0
    assert not result.was_ended


def test_events_arrive_while_the_child_runs(child: Child, tmp_path: Path) -> None:
    def answer(event: dict[str, Any]) -> None:
        (tmp_path / "seen").write_text("")

    code = "say(event='one')\nwhile not os.path.exists(request['seen']): time.sleep(0.02)"
    result = run_child(
        "wvforge_test_child",
        {"code": code, "seen": str(tmp_path / "seen")},
        answer,
        limits=ChildLimits(seconds=30),
        folder=tmp_path / "own1",
        environment=child.environment,
    )
    assert result.exit_status == 0


def test_a_child_that_dies_leaves_its_last_words(child: Child) -> None:
    result = child.run("sys.stderr.write('x' * 9000 + 'last words'); os._exit(5)")
    assert result.exit_status == 5
    assert result.stderr.endswith("last words")
    assert len(result.stderr) == 4000


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("events._stream.raw.write(b'x' * 4096)", "said more than 1 MiB in one line; make it shorter"),
        ("events._stream.raw.write(b'noise\\n' * 4096)", "was ended: something else spoke in its name"),
        ("say('log', line='x' * 4096)", "said more than 8 MiB; send its output to a file"),
    ],
    ids=["a line", "noise", "events"],
)
def test_what_speaks_without_an_end_is_ended_and_takes_no_memory(
    child: Child, monkeypatch: pytest.MonkeyPatch, words: str, wrong: str
) -> None:
    monkeypatch.setattr(process, "MOST_IN_A_LINE", 1 << 20)
    monkeypatch.setattr(process, "MOST_SAID", 8 << 20)
    result = child.run(f"say('one')\nwhile True: {words}")
    assert (result.wrong_words, result.was_ended) == (wrong, False)
    assert child.events[0] == {"event": "one"}


def test_an_endless_standard_error_is_neither_kept_nor_waited_for(child: Child) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = 512 << 20
    result = child.run(
        f"for _ in range({size >> 20}): os.write(2, b'x' * (1 << 20))\nos.write(2, b'last'); os._exit(5)"
    )
    assert (result.exit_status, result.stderr[-4:], len(result.stderr)) == (5, "last", 4000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < size >> 13  # in kB: an eighth of it


def test_time_and_memory_are_limited(child: Child) -> None:
    slow = child.run("time.sleep(300)", limits=ChildLimits(seconds=1))
    assert (slow.timed_out, slow.out_of_memory, slow.was_ended) == (True, False, False)
    large = child.run("held = b'x' * (300 << 20); time.sleep(300)", limits=ChildLimits(seconds=60, memory=150 << 20))
    assert (large.timed_out, large.out_of_memory, large.was_ended) == (False, True, False)


def test_a_child_sees_no_credential_and_a_home_of_its_own(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFIX_API_KEY", "canary")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/canary")
    monkeypatch.setenv("LANG", "C.UTF-8")
    child.run("say(event='seen', environ=dict(os.environ), cwd=os.getcwd())", EXTRA="1")
    (seen,) = child.events
    assert "canary" not in json.dumps(seen)
    own = child.folder / "own1"
    assert (seen["environ"]["HOME"], seen["environ"]["TMPDIR"]) == (str(own / "home"), str(own / "tmp"))
    assert (seen["environ"]["LANG"], seen["environ"]["EXTRA"], seen["cwd"]) == ("C.UTF-8", "1", str(own))


def test_an_interrupt_of_the_caller_ends_the_child_and_goes_on(child: Child) -> None:
    pid_path = child.folder / "pid"

    def interrupt(_: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    code = f"p = subprocess.Popen(['sleep', '300']); open({str(pid_path)!r}, 'w').write(str(p.pid)); say(event='go')\n"
    with pytest.raises(KeyboardInterrupt):
        run_child(
            "wvforge_test_child",
            {"code": code + "time.sleep(300)"},
            interrupt,
            limits=ChildLimits(),
            folder=child.folder / "own1",
            environment=child.environment,
        )
    pid = read_pid(pid_path)
    assert wait_until(lambda: not is_running(pid), 5)


def test_all_children_can_be_told_to_end(child: Child) -> None:
    results: list[ChildResult] = []
    code = "say(event='up'); time.sleep(300)"
    thread = threading.Thread(target=lambda: results.append(child.run(code)))
    thread.start()
    assert wait_until(lambda: bool(child.events))
    for supervisor in supervisors():
        os.kill(supervisor, signal.SIGTERM)
    thread.join(30)
    assert [result.was_ended for result in results] == [True]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_death_of_the_caller_ends_the_child_and_its_script(tmp_path: Path, child: Child, number: int) -> None:
    pid_path = tmp_path / "pid"
    inner = f"subprocess.Popen(['setsid', 'sh', '-c', 'echo $$ > {pid_path}; exec sleep 300']); time.sleep(300)"
    caller = (
        "import sys; from pathlib import Path; from wvforge_dagster.build.process import ChildLimits, run_child\n"
        f"run_child('wvforge_test_child', {{'code': {inner!r}}}, print, limits=ChildLimits(),"
        f" folder=Path({str(tmp_path / 'own')!r}), environment={child.environment!r})"
    )
    parent = subprocess.Popen([sys.executable, "-c", caller])
    pid = read_pid(pid_path)
    os.kill(parent.pid, number)
    parent.wait(30)
    assert wait_until(lambda: not is_running(pid), 15)
