"""What a worker of a farm runs: ``celery -A wvforge_dagster.orchestration.celery_worker worker -Q heavy,light``.

Each step is a process of its own, forked from the worker, that reads the forge, refuses what was planned over another one, and
ends with the worker.
"""

from __future__ import annotations

import logging
from typing import Any

import dagster as dg
from celery.signals import worker_process_init
from dagster._cli.api import _execute_step_command_body
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._grpc.types import ExecuteStepArgs
from dagster._serdes import unpack_value
from dagster._utils.interrupts import capture_interrupts

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.orchestration.asset_specs import op_name
from wvforge_dagster.orchestration.celery_app import STEP_TASK, farm_app
from wvforge_dagster.orchestration.forge_on_disk import open_forge
from wvforge_dagster.orchestration.keys import BUILD, GPU, UPLOAD
from wvforge_dagster.orchestration.patience import be_patient_with_postgres
from wvforge_dagster.orchestration.recipe_files import files_of_recipes
from wvforge_dagster.orchestration.same_forge import MADE_OF_TAG, digests_of, planned_tags, why_refused
from wvforge_dagster.own_process import end_with_parent, hide_from_builds
from wvforge_dagster.settings import read_settings

hide_from_builds()
be_patient_with_postgres()
app = farm_app()


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _begin(**_: Any) -> None:
    """In each process of the worker, before its one step."""
    end_with_parent()
    hide_from_builds()


@app.task(name=STEP_TASK)  # type: ignore[untyped-decorator]
def execute_step(packed: dict[str, Any]) -> str:
    """Execute one step of a run; what happens goes to Dagster's event log.

    The settings of this machine's Dagster are used, whatever the run's are.

    Returns:
        Why it was not begun; nothing if it was.
    """
    arguments = unpack_value(packed, as_type=ExecuteStepArgs)
    with capture_interrupts(), dg.DagsterInstance.get() as instance:
        run = instance.get_run_by_id(arguments.run_id)
        if run is None:
            return "Dagster's storage, as this worker has it, does not know the run; all have to use one Postgres"
        (key,) = arguments.step_keys_to_execute or ("",)
        try:
            refused = _why_refused(instance, run, key)
        except ForgeError as fault:
            refused = f"the worker's forge cannot be read: {fault}"
        if refused is not None:
            logging.getLogger("wvforge").warning("%s", refused)
            return refused
        try:
            for _ in _execute_step_command_body(arguments, instance, run):
                pass
        except (KeyboardInterrupt, DagsterExecutionInterruptedError):
            return "it was ended"
    return ""


def _why_refused(instance: dg.DagsterInstance, run: dg.DagsterRun, key: str) -> str | None:
    """Why a step whose op this forge does not have, or has otherwise, is not begun."""
    planned = planned_tags(instance, run, key).get(MADE_OF_TAG)
    if planned is None:
        return None
    forge = open_forge(read_settings())
    digests = digests_of(forge, files_of_recipes(forge))
    here = {op_name(prefix, name, forge.catalog): name for name in digests for prefix in (BUILD, UPLOAD, GPU)}
    if key in here:
        return why_refused(here[key], planned, digests[here[key]])
    return why_refused(key.split("__", 1)[-1], planned, None)
