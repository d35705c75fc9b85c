"""What children of a build import: each package variant starts several, and pydantic alone takes longer than the engine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import wvforge_dagster.build

WORKERS = sorted(path.stem for path in Path(wvforge_dagster.build.__file__).parent.glob("*_worker.py"))


@pytest.mark.parametrize("worker", WORKERS)
def test_a_worker_starts_without_what_only_its_parent_needs(worker: str) -> None:
    code = f"import sys, wvforge_dagster.build.{worker}; print(*({{'pydantic', 'dagster'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
