"""A build that is ended, in whatever way, leaves no process behind."""

from __future__ import annotations

import pytest

from integration.commands import states
from integration.conftest import SLOW, Served
from integration.dagster_runs import ENDED, launch_job, launch_run, run_messages, run_status, terminate_run
from integration.process_tree import Process, ancestors, below
from integration.waiting import wait_until

pytestmark = pytest.mark.integration

LIMIT_SECONDS = 10.0


def _log_lines(served: Served, run: str) -> list[str]:
    return [line for _, message in run_messages(served.server, run) for line in message.splitlines()]


def _build_of_slow(served: Served) -> list[Process]:
    """The processes of the build without an end, once it is in its script; the topmost is the first."""
    work = str(served.forge.root / "output" / "work" / "slow")

    def found() -> list[Process]:
        tops = [p for p in below(served.server.pid) if "supervisor" in p.command and work in p.command]
        tree = [*tops[:1], *(below(tops[0].pid) if tops else [])]
        sleeping = {process.command for process in tree if process.command.startswith("sleep 600")}
        return tree if sleeping == {"sleep 600.125", "sleep 600.25", "sleep 600.5"} else []

    return wait_until("the build is in its script", found, seconds=90)


def _run_process(tree: list[Process]) -> Process:
    """The process of the run that a build belongs to: the one that the code server started."""
    above = ancestors(tree[0].pid)
    server = next(position for position, process in enumerate(above) if "dagster api grpc" in process.command)
    return above[server - 1]


def _all_gone(tree: list[Process]) -> None:
    wait_until(
        "every process of the build has ended",
        lambda: not [process for process in tree if process.is_alive],
        seconds=LIMIT_SECONDS,
    )


def test_the_log_of_a_build_is_in_dagsters_log_while_it_runs(served: Served) -> None:
    run = launch_run(served.server, ["slow"])
    tree = _build_of_slow(served)
    wait_until("its line is there", lambda: "the build has begun" in _log_lines(served, run), seconds=30)
    assert run_status(served.server, run) == "STARTED"
    assert states(served.forge.root)["slow", None] == "building"
    terminate_run(served.server, run)
    _all_gone(tree)
    wait_until("the run has ended", lambda: run_status(served.server, run) in ENDED, seconds=30)
    assert run_status(served.server, run) == "CANCELED"
    assert states(served.forge.root)["slow", None] == "missing"


def test_terminating_a_run_of_everything_ends_every_process_of_its_builds(served: Served) -> None:
    run = launch_job(served.server, "everything")
    tree = _build_of_slow(served)
    terminate_run(served.server, run)
    _all_gone(tree)
    wait_until("the run has ended", lambda: run_status(served.server, run) in ENDED, seconds=30)
    assert run_status(served.server, run) == "CANCELED"


@pytest.mark.parametrize("job", ["the package", "everything"])
def test_killing_the_process_of_a_run_ends_every_process_of_its_build(served: Served, job: str) -> None:
    served.forge.write("slow", SLOW)
    launch_job(served.server, job) if job == "everything" else launch_run(served.server, ["slow"])
    tree = _build_of_slow(served)
    # Dagster tries a run again whose process was killed: then it fails at once.
    served.forge.write("slow", SLOW.split("build:")[0])
    _run_process(tree).kill()
    _all_gone(tree)
