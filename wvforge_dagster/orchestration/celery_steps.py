"""The executor of a farm: each step is a Celery task in the queue of its class; a step whose worker is lost is started again.

Dagster's executor for steps elsewhere does the work: it follows the event log, and starts a step again as its op's retries say
(`op_tags.ON_LOSS`). Here is how a step is handed to Celery, how it is told that its worker is lost, and how it is ended.
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of the executor when it is defined.

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import dagster as dg
from celery import Celery
from celery.result import AsyncResult
from dagster._core.events import DagsterEvent, EngineEventData
from dagster._core.execution.retries import RetryMode, get_retries_config
from dagster._core.executor.init import InitExecutorContext
from dagster._core.executor.step_delegating import (
    CheckStepHealthResult,
    StepDelegatingExecutor,
    StepHandler,
    StepHandlerContext,
)
from dagster._serdes import pack_value

from wvforge_dagster.core.lost_workers import Seen, Watch
from wvforge_dagster.orchestration.celery_app import STEP_TASK, farm_app
from wvforge_dagster.orchestration.op_tags import QUEUE_TAG
from wvforge_dagster.orchestration.patience import be_patient_with_postgres
from wvforge_dagster.settings import lost_after_seconds

CHECK_SECONDS = 5
"""Between two looks at the steps that are under way."""

ANSWER_SECONDS = 2.0
"""That a worker is given to say what it does."""


class CelerySteps(StepHandler):
    """Hands steps to Celery, and watches them.

    Args:
        lost_after: seconds without an answer of its worker after which a step counts as lost.
    """

    def __init__(self, app: Celery, lost_after: float, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._app = app
        self._watch = Watch(lost_after)
        self._clock = clock

    @property
    def name(self) -> str:
        return "CelerySteps"

    def launch_step(self, step_handler_context: StepHandlerContext) -> Iterator[DagsterEvent]:
        """Submit it. Its task has a name that a later process of the run finds again."""
        key, task = _task_of(step_handler_context)
        queue = step_handler_context.step_tags[key].get(QUEUE_TAG, "light")
        arguments = pack_value(step_handler_context.execute_step_args)
        self._app.send_task(STEP_TASK, args=[arguments], task_id=task, queue=queue, routing_key=queue)
        step = step_handler_context.get_step_context(key)
        yield DagsterEvent.engine_event(step, f"Waits in the queue {queue} for a worker.", EngineEventData())

    def check_step_health(self, step_handler_context: StepHandlerContext) -> CheckStepHealthResult:
        """Unhealthy if its worker does not answer, or does not know it, or it ended and did not say how."""
        _, task = _task_of(step_handler_context)
        why = self._watch.why_lost(task, self._look(task), self._clock())
        return CheckStepHealthResult.unhealthy(why) if why else CheckStepHealthResult.healthy()

    def _look(self, task: str) -> Seen:
        result = AsyncResult(task, app=self._app)
        state, info = result.state, result.info
        if state == "PENDING":
            return Seen()
        if result.ready():
            return Seen(said=str(info) if isinstance(info, str | Exception) else "", ended=True)
        worker = str(info.get("hostname", "")) if isinstance(info, Mapping) else ""
        asked = self._app.control.inspect([worker], timeout=ANSWER_SECONDS, limit=1)
        active: Mapping[str, list[dict[str, Any]]] = asked.active() or {}
        has_it = any(item["id"] == task for items in active.values() for item in items)
        return Seen(worker=worker, answers=bool(active), has_it=has_it)

    def terminate_step(self, step_handler_context: StepHandlerContext) -> Iterator[DagsterEvent]:
        """End it, with its build."""
        key, task = _task_of(step_handler_context)
        step = step_handler_context.get_step_context(key)
        self._app.control.revoke(task, terminate=True, signal="SIGTERM")
        yield DagsterEvent.engine_event(step, "Its worker is told to end it.", EngineEventData())


def _task_of(context: StepHandlerContext) -> tuple[str, str]:
    """The key of the step, and the name of the task of its present attempt."""
    arguments = context.execute_step_args
    (key,) = arguments.step_keys_to_execute or ()
    known = arguments.known_state
    attempt = known.get_retry_state().get_attempt_count(key) if known else 0
    return key, f"{arguments.run_id}/{key}/{attempt}"


@dg.executor(
    name="celery_steps",
    config_schema={"retries": get_retries_config()},  # type: ignore[no-untyped-call]
    requirements=dg.multiple_process_executor_requirements(),
)
def celery_steps_executor(init_context: InitExecutorContext) -> StepDelegatingExecutor:
    """Steps go to the workers of a farm; WVFORGE_BROKER says where its Redis is."""
    be_patient_with_postgres()
    config: Any = init_context.executor_config
    retries = RetryMode.from_config(config["retries"])
    assert retries is not None, "the schema has a default"
    return StepDelegatingExecutor(
        CelerySteps(farm_app(), lost_after_seconds()),
        retries=retries,
        check_step_health_interval_seconds=CHECK_SECONDS,
        should_verify_step=True,
    )
