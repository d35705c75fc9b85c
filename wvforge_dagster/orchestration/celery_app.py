"""The Celery application of a farm: its settings, the same for those who ask and for the workers."""

from __future__ import annotations

from celery import Celery
from dagster_celery.make_app import make_app

from wvforge_dagster.settings import broker

STEP_TASK = "wvforge.execute_step"

_VISIBILITY_SECONDS = 120
"""How long a message may be on its way from Redis to a worker's process: tasks are acknowledged before they begin."""


def farm_app() -> Celery:
    """A client, or the core of a worker.

    Raises:
        ForgeError: if the environment does not say where Redis is.
    """
    app: Celery = make_app({"broker": broker(), "backend": broker()})  # type: ignore[no-untyped-call]
    app.conf.update(
        task_track_started=True,
        # A worker takes a step when a process is free for it, and no step waits behind a build that takes hours.
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_concurrency=1,
        # Each step reads the forge as it is now.
        worker_max_tasks_per_child=1,
        task_acks_late=False,
        broker_transport_options={"visibility_timeout": _VISIBILITY_SECONDS},
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        result_backend_always_retry=True,
        result_backend_max_retries=60,
        result_expires=7 * 24 * 3600,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
    )
    return app
