"""Builds that are killed with ``kill -9`` at any moment: what comes out in the end is as if nobody had been killed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from random import Random

import pytest

from integration.commands import run
from integration.forge_checks import History, check, unlisted, unrecorded
from integration.killed_builds import Build, kill_one, time_until_gone
from integration.small_forge import SmallForge, make_small_forge
from wvforge_dagster.channels.folder_index import half_written

pytestmark = pytest.mark.integration

SEEDS = (11, 12)
START_SECONDS, LONGEST_SECONDS = 3.0, 2.0

TWO_OUTPUTS = """\
recipe: {name: two, version: "1.0"}
build: {noarch: generic}
outputs:
  - package: {name: two-lib}
    build: {noarch: generic, script: ["sleep 0.2", "mkdir -p $PREFIX/share", "echo l > $PREFIX/share/l.txt"]}
  - package: {name: two-dev}
    build: {noarch: generic, script: ["sleep 0.2", "mkdir -p $PREFIX/share", "echo d > $PREFIX/share/d.txt"]}
    requirements: {run: [two-lib]}
"""


def _slow_forge(root: Path) -> SmallForge:
    """A forge whose scripts take fractions of a second."""
    forge = make_small_forge(root)
    for number, package in enumerate(("lib-a", "cu-b", "cu-c", "top")):
        script = 'script: ["' if package != "cu-b" else "script:\n    - "
        end = '", "' if package != "cu-b" else "\n    - "
        forge.mend(package, script, f"{script}sleep 0.{number + 1}{end}")
    forge.write("two", TWO_OUTPUTS)
    return forge


def _kill_ten(forge: SmallForge, seed: int, folder: Path) -> History:
    """Kill ten builds at random moments, about half of them while a package is built; then one is let alone."""
    random, history = Random(seed), History()
    for number in range(1, 11):
        says = folder / f"{seed}-{number}.txt"
        in_a_build = random.random() < 0.5
        seconds = LONGEST_SECONDS if in_a_build else START_SECONDS
        ended = kill_one(forge.root, says, random, seconds, in_a_build=in_a_build)
        assert not ended.faults, f"seed {seed}, build {number}: {ended}"
        history.take(forge.root)
    _end_well(forge, f"seed {seed}")
    return history


def _end_well(forge: SmallForge, note: str) -> None:
    last = run("wvforge", "--forge", str(forge.root), "build", seconds=300)
    assert last.returncode == 0, f"{note}: {last.stdout}"


def _check(forge: SmallForge, history: History, note: str) -> None:
    faults = {what: found for what, found in check(forge.root, history).items() if found}
    assert not faults, f"{note}: {faults}"


def test_twenty_builds_killed_at_random_moments_leave_nothing_behind_and_lose_nothing(tmp_path: Path) -> None:
    forges = [_slow_forge(tmp_path / str(seed)) for seed in SEEDS]
    # Most of a build's time is its start, in one process: two forges side by side take little longer than one.
    with ThreadPoolExecutor() as pool:
        histories = list(pool.map(_kill_ten, forges, SEEDS, [tmp_path, tmp_path]))
    for forge, history, seed in zip(forges, histories, SEEDS, strict=True):
        _check(forge, history, f"seed {seed}")


def _unlisted(output: Path) -> bool:
    return bool(unlisted(output / "staging"))


def _shards_are_older(output: Path) -> bool:
    return bool(half_written(output / "staging"))


def _unpublished(output: Path) -> set[str]:
    """Files that staging lists and the target does not have."""
    there = {path.name for path in output.glob("staging/*/*.conda")} if not unlisted(output / "staging") else set()
    return there - {path.name for path in output.glob("channel/*/*.conda")}


def _unrecorded(output: Path) -> bool:
    return bool(_unpublished(output) & unrecorded(output.parent))


def _at_once(output: Path) -> bool:
    return True


MOMENTS = {
    "between the package and its index": (_unlisted, _at_once),
    "between repodata.json and the shards": (_shards_are_older, _at_once),
    "between staging and Dagster's record": (lambda output: bool(_unpublished(output)), _unrecorded),
}


def test_a_build_killed_where_something_is_half_done_is_gone_on_with(tmp_path: Path) -> None:
    forge = make_small_forge(tmp_path / "forge")
    for package in ("cu-c", "top"):
        forge.recipe(package).unlink()
    output, history = forge.root / "output", History()
    for what, (happens, still) in MOMENTS.items():
        build = Build(forge.root, tmp_path / "says.txt")
        found = build.kill_when(partial(happens, output), still=partial(still, output), seconds=90)
        assert found, f"never {what}: {build.text}"
        gone = time_until_gone(lambda build=build: build.processes)
        assert not gone.faults, f"{what}: {gone.faults}"
        history.take(forge.root)
    _end_well(forge, "after the moments")
    _check(forge, history, "after the moments")
