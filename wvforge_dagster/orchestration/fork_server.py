"""The process that the workers of `run_plan` are forked from. Imports nothing heavy, so that it can be started first of all."""

from __future__ import annotations

import multiprocessing
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext

from wvforge_dagster.settings import give_secrets, take_secrets

_PRELOADED = [
    "wvforge_dagster.orchestration.run_worker",
    # What uploads need, once for all workers.
    "wvforge_dagster.build.sbom",
    "wvforge_dagster.build.statement",
]


def start_fork_server() -> ForkServerContext:
    """Start it, unless it runs; it imports Dagster and the forge's modules while the caller goes on.

    It and its kind inherit this process's environment, and builds could read it there: so the secrets are taken out meanwhile.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    secrets = take_secrets()
    try:
        forkserver.ensure_running()
    finally:
        give_secrets(secrets)
    return context
