"""What Dagster is told of runs that were killed."""

from __future__ import annotations

import uuid

import dagster as dg
import pytest
from small_forge import SmallForge

from wvforge_dagster.orchestration.instance import open_quiet_instance
from wvforge_dagster.orchestration.locks import run_lock
from wvforge_dagster.orchestration.recording import end_dead_runs
from wvforge_dagster.orchestration.run_worker import PACKAGE_TAG


def begin(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, **tags: str) -> str:
    """A run as its process leaves it that is killed now."""
    run = dg.DagsterRun(job_name="a", run_id=str(uuid.uuid4()), status=status, tags=tags)
    return instance.add_run(run).run_id


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED])
def test_a_run_is_ended_as_soon_as_its_process_is_dead(small_forge: SmallForge, status: dg.DagsterRunStatus) -> None:
    forge = small_forge.open()
    with open_quiet_instance(forge) as instance:
        dead = begin(instance, status, **{PACKAGE_TAG: "a"})
        alive = begin(instance, status, **{PACKAGE_TAG: "b"})
        foreign = begin(instance, status)
        with run_lock(forge, alive):
            assert [end_dead_runs(instance, forge) for _ in range(2)] == [1, 0]
        runs = {run.run_id: run.status for run in instance.get_runs()}
        assert runs == {dead: dg.DagsterRunStatus.FAILURE, alive: status, foreign: status}
