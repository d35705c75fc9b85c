"""A farm: two workers apart from each other build one forge, and what may break in between costs one build at the most."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from git_repository import GitRepository
from small_forge import SmallForge

from integration.commands import program
from integration.farm import Farm, Machine, farm, missing
from integration.waiting import wait_until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(missing() is not None, reason=missing() or ""),
]


def lasting(seconds: float, name: str) -> str:
    return f"sleep {seconds}\nmkdir -p $PREFIX/share\necho {name} > $PREFIX/share/{name}.txt"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """A farm with two workers that take heavy and light packages."""
    root = tmp_path_factory.mktemp("origin")
    shared = tmp_path_factory.mktemp("shared")
    forge = SmallForge(root)
    forge.configure(
        channels=[],
        variants=[],
        publish=[{"file": str(shared / "target")}],
        staging={"file": str(shared / "staging")},
        classes={"heavy": {"packages": ["heavy-*"], "at_once": 2}},
    )
    forge.write(".gitignore", "output/\n")
    forge.package("first", lasting(2, "first"))
    forge.package("second", lasting(2, "second"))
    forge.package("third", host=("first", "second"))
    for name in ("heavy-1", "heavy-2", "heavy-3"):
        forge.package(name, lasting(12, name))
    for name in ("common", "odd"):
        forge.package(name, lasting(3, name))
    repository = GitRepository(root)
    repository.git("add", "-A")
    repository.git("commit", "-q", "-m", "a forge")
    with farm(root) as made:
        for worker in made.workers:
            worker.start_worker("heavy,light")
        yield made


def ended(process: subprocess.Popen[bytes]) -> str:
    """What the coordinator of a run said, once it has ended."""
    process.wait(180)
    return Path(process.log_file).read_text(errors="replace")  # type: ignore[attr-defined]


def succeeded(process: subprocess.Popen[bytes]) -> str:
    said = ended(process)
    assert process.returncode == 0, said[-4000:]
    return said


def builder_of(running: Farm, package: str) -> Machine | None:
    return next((machine for machine in running.workers if package in machine.built()), None)


def wait_for_builder(running: Farm, package: str) -> Machine:
    return wait_until(f"{package} is being built", lambda: builder_of(running, package), seconds=90)


def test_both_workers_build_and_every_package_is_built_once(running: Farm) -> None:
    names = ("first", "second", "third")
    succeeded(running.head.materialize(*names, *(f"upload/{name}" for name in names)))
    assert running.built() == sorted(names)
    assert all({"first", "second"} & set(machine.built()) for machine in running.workers)
    shown = subprocess.run(
        running.head.command("wvforge", "status", "--json"),
        env=running.head.environment,
        capture_output=True,
        text=True,
    )
    states = {row["package"]: row["state"] for row in json.loads(shown.stdout)}
    assert {states[name] for name in names} == {"published"}


def test_a_worker_killed_in_a_build_loses_that_build_which_the_other_takes_up(running: Farm) -> None:
    run = running.head.materialize("heavy-1", "heavy-2")
    lost = wait_for_builder(running, "heavy-1")
    wait_for_builder(running, "heavy-2")
    lost.kill()
    said = succeeded(run)
    assert f"the worker {lost.name}@" in said and "has not answered for" in said
    built = running.built()
    assert (built.count("heavy-1"), built.count("heavy-2")) == (2, 1)
    lost.start_worker("heavy,light")


def test_a_postgres_that_is_started_anew_in_a_build_loses_nothing(running: Farm) -> None:
    run = running.head.materialize("heavy-3")
    wait_for_builder(running, "heavy-3")
    running.postgres.stop()
    running.postgres.start()
    succeeded(run)
    assert running.built().count("heavy-3") == 1


def test_two_requests_for_one_package_variant_build_it_once(running: Farm) -> None:
    runs = [running.head.materialize("common") for _ in range(2)]
    for run in runs:
        succeeded(run)
    assert running.built().count("common") == 1


def test_a_worker_over_another_forge_refuses_and_says_so(running: Farm) -> None:
    for worker in running.workers:
        SmallForge.edit(_at(worker.forge), "odd", "sleep", "true; sleep")
    said = ended(running.head.materialize("odd"))
    assert "odd: refused on" in said and "bring the worker's forge to the commit of the run" in said
    for worker in running.workers:
        (worker.forge / "pkgs/odd/recipe/recipe.yaml").unlink()
    said = ended(running.head.materialize("odd"))
    assert "odd: refused on" in said and "does not have it" in said
    assert "odd" not in running.built()
    for worker in running.workers:
        subprocess.run(["git", "checkout", "-q", "."], cwd=worker.forge, check=True)
    succeeded(running.head.materialize("odd"))


def _at(folder: Path) -> SmallForge:
    """The forge in a folder, as it is."""
    found = SmallForge.__new__(SmallForge)
    found.root = folder
    return found


def test_what_a_worker_knows_is_in_no_build(running: Farm) -> None:
    """Neither on its command line nor in the environment of what it starts."""
    worker = running.workers[0]
    assert worker.process is not None
    command = Path(f"/proc/{worker.process.pid}/cmdline").read_text()
    assert "not-a-secret" not in command
    assert program("celery") in command and sys.executable
