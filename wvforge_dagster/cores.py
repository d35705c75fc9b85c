"""How many cores this process may use: those of the machine, as far as its affinity and its control groups leave them to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_GROUPS, _MOUNTED = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def cores_of_machine() -> int:
    """Whole cores, at least one."""
    return max(1, int(min(len(os.sched_getaffinity(0)), quota(_GROUPS, _MOUNTED))))


def quota(groups: Path, mounted: Path) -> float:
    """Cores' worth of time that control groups leave to this process; infinity if they bound nothing.

    Args:
        groups: the kernel's list of the groups that it is in (``/proc/self/cgroup``; see cgroups(7)).
        mounted: where their file systems are mounted. What is not mounted there bounds nothing that is known.
    """
    try:
        lines = groups.read_text().splitlines()
    except OSError:
        return float("inf")
    return min((cores for line in lines for cores in _quotas(line, mounted)), default=float("inf"))


def _quotas(line: str, mounted: Path) -> Iterator[float]:
    """What each group bounds that is named in a line, from the one that the process is in up to the root."""
    _, controllers, name = line.split(":", 2)
    if controllers and "cpu" not in controllers.split(","):
        return
    roots = [mounted / controllers, mounted / "cpu"] if controllers else [mounted, mounted / "unified"]
    for root in roots:
        group = root / name.strip("/")
        for folder in (group, *group.parents):
            if not folder.is_relative_to(root):
                break
            limit, period = _limit_and_period(folder, is_unified=not controllers)
            if limit > 0 and period > 0:
                yield limit / period


def _limit_and_period(folder: Path, *, is_unified: bool) -> tuple[int, int]:
    """Microseconds of running in a period of microseconds; 0 where there is no limit (``max``, or -1 in version 1)."""
    files = ("cpu.max",) if is_unified else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    try:
        limit, period = " ".join((folder / name).read_text().strip() for name in files).split()
        return int(limit), int(period)
    except (OSError, ValueError):
        return 0, 0
