"""A build that is ended, in whatever way, leaves no process behind."""

from __future__ import annotations

import pytest

from integration.commands import states
from integration.conftest import Served
from integration.dagster_runs import ENDED, launch_run, run_messages, run_status, terminate_run
from integration.process_tree import Process, ancestors, below
from integration.waiting import wait_until

pytestmark = pytest.mark.integration

LIMIT_SECONDS = 10.0


def _start_slow_build(served: Served) -> tuple[str, list[Process]]:
    """Launch the build without an end, and wait until it is in its script; returns the run and the build's processes."""
    run = launch_run(served.server, ["slow"])

    def begun() -> bool:
        lines = [line for _, message in run_messages(served.server, run) for line in message.splitlines()]
        assert run_status(served.server, run) not in ENDED, lines
        return "the build has begun" in lines

    wait_until("the log of the running build is in Dagster's", begun, seconds=90)
    work = str(served.forge.root / "output" / "work" / "slow")
    (top,) = (p for p in below(served.server.pid) if "supervisor" in p.command and work in p.command)
    tree = [top, *below(top.pid)]
    sleeping = [process.command for process in tree if process.command.startswith("sleep 600")]
    assert sorted(sleeping) == ["sleep 600.125", "sleep 600.25", "sleep 600.5"]
    return run, tree


def _all_gone(tree: list[Process]) -> None:
    wait_until(
        "every process of the build has ended",
        lambda: not [process for process in tree if process.is_alive],
        seconds=LIMIT_SECONDS,
    )


def test_terminating_a_run_in_the_ui_ends_every_process_of_its_build(served: Served) -> None:
    run, tree = _start_slow_build(served)
    assert states(served.forge.root)["slow", None] == "building"
    terminate_run(served.server, run)
    _all_gone(tree)
    wait_until("the run has ended", lambda: run_status(served.server, run) in ENDED, seconds=30)
    assert run_status(served.server, run) == "CANCELED"
    assert states(served.forge.root)["slow", None] in ("missing", "failed")


def test_killing_the_process_of_a_run_ends_every_process_of_its_build(served: Served) -> None:
    _, tree = _start_slow_build(served)
    above = ancestors(tree[0].pid)
    server = next(position for position, process in enumerate(above) if "dagster api grpc" in process.command)
    served.forge.write("slow", served.forge.recipe("slow").read_text().split("build:")[0])
    above[server - 1].kill()
    _all_gone(tree)
