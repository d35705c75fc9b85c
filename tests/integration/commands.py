"""The programs of the environment that the tests run in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
EMBEDDED_FORGE = PROJECT / "examples" / "embedded"

_NOT_INHERITED = ("DAGSTER_", "WVFORGE_", "PYTEST_")


def program(name: str) -> str:
    """The path of a program of this environment: of ``wvforge``, ``dagster``, ``dg``."""
    return str(Path(sys.executable).with_name(name))


def environment(**added: str) -> dict[str, str]:
    """This process's environment, without what points Dagster or the project at something else."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
    return kept | {"PYTHONUNBUFFERED": "1", "COLUMNS": "200", "NO_COLOR": "1"} | added


def run(
    *command: str, cwd: Path = PROJECT, env: Mapping[str, str] | None = None, seconds: float = 180
) -> subprocess.CompletedProcess[str]:
    """Run a program of this environment and take down what it says on both outputs, as `stdout`."""
    return subprocess.run(
        [program(command[0]), *command[1:]],
        cwd=cwd,
        env=dict(env) if env is not None else environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )


def statuses(forge: Path) -> dict[tuple[str, str | None], dict[str, Any]]:
    """``wvforge status --json`` by package and partition."""
    done = subprocess.run(
        [program("wvforge"), "--forge", str(forge), "status", "--json"],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {(row["package"], row["partition"]): row for row in json.loads(done.stdout)}


def states(forge: Path) -> dict[tuple[str, str | None], str]:
    """The states of all package variants, by package and partition."""
    return {key: str(row["state"]) for key, row in statuses(forge).items()}
