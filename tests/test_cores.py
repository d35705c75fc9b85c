from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wvforge_dagster.cores import cores_of_machine, quota

COUNT = "from wvforge_dagster.cores import cores_of_machine; print(cores_of_machine())"


def test_the_affinity_of_the_process_counts() -> None:
    first = min(os.sched_getaffinity(0))
    command = ["taskset", "-c", str(first), sys.executable, "-c", COUNT]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "1\n"
    assert 1 <= cores_of_machine() <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        ("0::/a/b\n", {"a/b/cpu.max": "150000 100000", "a/cpu.max": "max 100000"}, 1.5),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "200000 100000"}, 2),
        ("0::/\n", {"cpu.max": "400000 100000"}, 4),
        ("0::/a\n", {}, float("inf")),
        (
            "3:cpuset:/\n2:cpu,cpuacct:/box\n",
            {"cpu,cpuacct/box/cpu.cfs_quota_us": "300000", "cpu,cpuacct/box/cpu.cfs_period_us": "100000"},
            3,
        ),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, float("inf")),
        ("0::/a\n", {"a/cpu.max": "what"}, float("inf")),
    ],
)
def test_the_smallest_quota_of_the_control_groups_counts(
    tmp_path: Path, groups: str, files: dict[str, str], cores: float
) -> None:
    for name, text in files.items():
        (tmp_path / "mounted" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mounted" / name).write_text(f"{text}\n")
    (tmp_path / "groups").write_text(groups)
    assert quota(tmp_path / "groups", tmp_path / "mounted") == cores


def test_without_control_groups_there_is_no_quota(tmp_path: Path) -> None:
    assert quota(tmp_path / "none", tmp_path) == float("inf")
