"""What a child process says is told from what anything else writes into its pipe."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from wvforge_dagster.build.events import EventReader, write_request

BEGIN = "import os, sys; from wvforge_dagster.build.events import begin; request, events = begin();"


class Worker:
    """A child of a few lines, and the reader of its events."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "request.json"
        self.reader: EventReader = write_request(self.path, {"word": "ü"}, closed=False)

    def run(self, code: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-c", BEGIN + code, str(self.path)]
        return subprocess.run(command, capture_output=True, timeout=60, check=True)


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(tmp_path)


def test_what_is_printed_by_accident_does_not_mix_with_the_events(worker: Worker) -> None:
    done = worker.run(
        "print('noise'); os.system('echo more noise'); events.send('log', line='caf\\udce9 \\u00fc\\n two')"
    )
    (line,) = done.stdout.splitlines(keepends=True)
    assert worker.reader.read(line) == {"event": "log", "line": "caf\udce9 ü\n two"}
    assert b"noise" in done.stderr
    assert b"more noise" in done.stderr


def test_the_request_with_the_key_is_gone_before_a_child_does_anything(worker: Worker) -> None:
    done = worker.run("events.send('seen', there=os.path.exists(sys.argv[1]), word=request['word'])")
    assert worker.reader.read(done.stdout) == {"event": "seen", "there": False, "word": "ü"}


def test_nothing_but_the_childs_next_event_is_one(worker: Worker) -> None:
    first, second, third = worker.run("[events.send('tested', passed=n) for n in range(3)]").stdout.splitlines()
    reader = worker.reader
    forged = json.dumps({"event": "tested", "passed": True}).encode()
    for line in (forged, first[:64] + b" " + forged, b"", b" ", b"[" * 100_000, b"\xff" * 70, second, b"x" + first):
        assert reader.read(line + b"\n") is None
    assert reader.read(first + b"\n") == {"event": "tested", "passed": 0}
    assert reader.read(first + b"\n") is None, "a second time"
    assert reader.read(third + b"\n") is None, "before its turn"
    assert reader.read(second + b"\n") == {"event": "tested", "passed": 1}
    assert reader.read(third) == {"event": "tested", "passed": 2}
