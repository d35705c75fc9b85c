"""Solving environments without building anything: the parent's side of `solve_worker`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import rattler
from rattler.package import BuildString

from wvforge_dagster.build.inspect import Resolved
from wvforge_dagster.build.process import ChildLimits, run_child
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.locked import Locked

SECONDS_EACH = 150.0


@dataclass(frozen=True)
class Environment:
    """What is to be solved: match specs, against channels in order of priority."""

    specs: tuple[str, ...]
    channels: tuple[str, ...]
    platform: str


@dataclass(frozen=True)
class Solution:
    """The packages of a solved environment; or, if it has none, `words`: the solver's own explanation.

    `unreachable`: it has none because a channel could not be read.
    """

    packages: tuple[Resolved, ...] = ()
    words: str = ""
    unreachable: bool = False


def solve_all(environments: Sequence[Environment], work: Path, cache: Path) -> tuple[Solution, ...]:
    """Solve each environment, in order.

    Args:
        work: folder for the child's own one.
        cache: the engine's package cache, which keeps what channels listed.

    Raises:
        ForgeError: if the child was ended before it was done.
    """
    if not environments:
        return ()
    answers: list[dict[str, Any]] = []
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="solve-", dir=work) as folder:
        result = run_child(
            "wvforge_dagster.build.solve_worker",
            {"environments": [asdict(environment) for environment in environments]},
            answers.append,
            limits=ChildLimits(seconds=SECONDS_EACH * len(environments)),
            folder=Path(folder),
            environment={"RATTLER_CACHE_DIR": str(cache)},
        )
    if len(answers) < len(environments):
        words = (result.stderr.strip().splitlines() or [f"exit status {result.exit_status}"])[-1]
        raise ForgeError(f"solving ended early: {words[:300]}")
    return tuple(
        Solution(tuple(Resolved(**package) for package in answer["packages"]))
        if answer["event"] == "solved"
        else Solution(words=answer["words"], unreachable=answer["unreachable"])
        for answer in answers
    )


def allows(requirements: Sequence[str], name: str, package: Locked) -> bool:
    """Whether a package's requirements allow this package of `name`; true if they require nothing of it."""
    number = package.build.rpartition("_")[2]
    record = rattler.PackageRecord(
        name, package.version, BuildString(package.build), int(number) if number.isdigit() else 0, "noarch"
    )
    return all(rattler.MatchSpec(text).matches(record) for text in requirements if text.split()[0] == name)
