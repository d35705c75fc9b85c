"""Running GPU tests in an environment, with nothing but Python's standard library."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from servers.driver import ANSWER, put_driver

from wvforge_dagster.build import gpu_tests
from wvforge_dagster.build.gpu_tests import NO_GPU, Gpu, find_gpu, run_test


def test_the_gpu_is_what_the_driver_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(put_driver(tmp_path)), prepend=":")
    assert find_gpu() == Gpu("NVIDIA H100 80GB HBM3", "580.65.06", "13.0")


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", 9),
        (ANSWER, 9),
        ("<nvidia_smi_log></nvidia_smi_log>\n", 0),
    ],
)
def test_a_driver_that_does_not_answer_is_no_gpu(
    answer: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(put_driver(tmp_path, answer, status)), prepend=":")
    assert find_gpu() is None


def test_a_script_runs_in_the_activated_environment_with_its_files(tmp_path: Path) -> None:
    prefix, files = tmp_path / "an env", tmp_path / "files"
    (prefix / "etc/conda/activate.d").mkdir(parents=True)
    (prefix / "etc/conda/activate.d/a.sh").write_text("export FROM_ACTIVATION=yes\n")
    (prefix / "bin").mkdir()
    (prefix / "bin/hello").write_text("#!/bin/sh\necho hello\n")
    (prefix / "bin/hello").chmod(0o755)
    (files / "data").mkdir(parents=True)
    (files / "data/a.txt").write_text("content")
    commands = ["hello", "test $FROM_ACTIVATION = yes", "cat data/a.txt", 'test "$CONDA_PREFIX" = "$PREFIX"']
    ran = run_test({"commands": commands, "files": ["data"]}, prefix, tmp_path / "work", files)
    assert (ran.passed, ran.output) == (True, "hello\ncontent")


def test_the_first_command_that_fails_fails_the_test(tmp_path: Path) -> None:
    ran = run_test({"commands": ["echo before", "false", "echo after"]}, tmp_path, tmp_path / "work", None)
    assert (ran.passed, ran.output) == (False, "before")


def test_it_runs_as_a_program_without_this_project(tmp_path: Path) -> None:
    request = tmp_path / "request.json"
    tests = [{"commands": ["echo one"]}, {"commands": ["false"]}]
    request.write_text(
        json.dumps({"prefix": str(tmp_path), "folder": str(tmp_path / "w"), "files": None, "tests": tests})
    )
    command = [sys.executable, "-I", "-S", gpu_tests.__file__, str(request)]
    path = f"{put_driver(tmp_path / 'bin')}:/usr/bin:/bin"
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": path})
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1, done.stderr
    assert [event["event"] for event in events] == ["gpu", "tested", "tested"]
    assert [event["passed"] for event in events[1:]] == [True, False]


def test_without_a_gpu_nothing_runs(tmp_path: Path) -> None:
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"prefix": "/", "folder": str(tmp_path / "w"), "tests": [{"commands": ["true"]}]}))
    path = f"{put_driver(tmp_path / 'bin', '', 9)}:/usr/bin:/bin"
    command = [sys.executable, "-I", "-S", gpu_tests.__file__, str(request)]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": path})
    assert (done.returncode, done.stdout) == (NO_GPU, "")
