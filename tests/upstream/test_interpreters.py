"""Finding interpreters, with real programs on paths of the test's own."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from wvforge_dagster.upstream.interpreters import Interpreter, NoInterpreter, find_interpreter

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"


def program(folder: Path, text: str, name: str = "python3.99") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def saying(folder: Path, **changes: object) -> str:
    """A script that says it is Python 3.99 with headers, but for the changes."""
    include = folder / "include"
    include.mkdir(parents=True, exist_ok=True)
    (include / "Python.h").touch()
    said = {
        "executable": "/bin/sh",
        "version": "3.99.1",
        "level": "final",
        "implementation": "cpython",
        "threaded": False,
        "platlibdir": "lib",
        "prefix": str(folder),
        "stdlib": str(folder / "lib/python3.99"),
        "include": str(include),
        "library": "",
    }
    return f"echo '{json.dumps(said | changes)}'"


def environment(tmp_path: Path, *path: Path) -> dict[str, str]:
    return {"PATH": os.pathsep.join(map(str, path)), "HOME": str(tmp_path / "home")}


def test_an_interpreter_on_the_path_says_itself_where_its_parts_are(tmp_path: Path) -> None:
    program(tmp_path / "bin", f'exec "{sys.executable}" "$@"', f"python{MINOR}")
    found = find_interpreter(MINOR, environment(tmp_path, tmp_path / "bin"))
    if isinstance(found, NoInterpreter):
        pytest.skip(f"the interpreter of these tests cannot be repackaged: {found.reason}")
    assert found.version == ".".join(map(str, sys.version_info[:3]))
    assert found.minor == MINOR
    assert (found.stdlib / "os.py").is_file()
    assert (found.include / "Python.h").is_file()
    assert found.executable.samefile(getattr(sys, "_base_executable", sys.executable))


def test_a_shim_that_runs_nothing_is_not_an_interpreter(tmp_path: Path) -> None:
    shim = program(tmp_path / "shims", "echo 'pyenv: python3.99: command not found' >&2; exit 127")
    found = find_interpreter("3.99", environment(tmp_path, shim.parent))
    assert found == NoInterpreter(f"no usable Python 3.99: {shim} does not run")


def test_after_a_shim_pyenv_is_looked_into_newest_first(tmp_path: Path) -> None:
    program(tmp_path / "shims", "exit 127")
    versions = tmp_path / "pyenv" / "versions"
    for patch in ("9", "10"):
        home = versions / f"3.99.{patch}"
        program(home / "bin", saying(home, version=f"3.99.{patch}"))
    looked = environment(tmp_path, tmp_path / "shims") | {"PYENV_ROOT": str(tmp_path / "pyenv")}
    found = find_interpreter("3.99", looked)
    assert isinstance(found, Interpreter)
    assert found.version == "3.99.10"


def test_an_interpreter_of_uv_is_found_in_the_home_folder(tmp_path: Path) -> None:
    home = tmp_path / "home/.local/share/uv/python/cpython-3.99.2-linux-x86_64-gnu"
    program(home / "bin", saying(home, version="3.99.2"))
    found = find_interpreter("3.99", environment(tmp_path))
    assert isinstance(found, Interpreter)
    assert found.prefix == home


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"include": "/nonexistent"}, "has no C headers"),
        ({"threaded": True}, "is a free-threaded build"),
        ({"implementation": "pypy"}, "is pypy, not CPython"),
        ({"level": "candidate"}, "is Python 3.99.1 candidate"),
        ({"version": "3.9.9"}, "is Python 3.9.9 final"),
        ({"platlibdir": "lib64"}, "keeps its packages in lib64"),
    ],
)
def test_one_that_builds_cannot_use_is_refused_with_the_reason(
    tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    program(tmp_path / "bin", saying(tmp_path, **changes))
    found = find_interpreter("3.99", environment(tmp_path, tmp_path / "bin"))
    assert isinstance(found, NoInterpreter)
    assert reason in found.reason


def test_without_any_the_places_are_named(tmp_path: Path) -> None:
    found = find_interpreter("3.99", environment(tmp_path))
    assert found == NoInterpreter("no Python 3.99 on this machine (looked on the path, in pyenv and uv)")
