"""A process of `run_plan`: keeps the forge, its definitions and Dagster's instance open, and executes runs in itself."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import uuid
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from dagster._core.instance import InstanceRef

from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.orchestration.asset_specs import op_name
from wvforge_dagster.orchestration.assets import forge_assets
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk, open_forge
from wvforge_dagster.orchestration.gpu_checks import gpu_checks
from wvforge_dagster.orchestration.instance import open_quiet_instance
from wvforge_dagster.orchestration.keys import BUILD, BUILD_TAG, package_key, upload_key
from wvforge_dagster.orchestration.locks import run_lock
from wvforge_dagster.orchestration.recipe_files import files_of_recipes
from wvforge_dagster.orchestration.run_database import make_run_database
from wvforge_dagster.own_process import hide_from_builds
from wvforge_dagster.settings import give_secrets, read_settings, set_cores_of_share

REASON_TAG = "wvforge/reason"
PACKAGE_TAG = "wvforge/package"
PARTITION_TAG = "wvforge/partition"
MACHINE_TAG = "wvforge/machine"
"""Which machine's process executes a run: whether it lives only that machine can tell."""


@dataclass(frozen=True)
class _Open:
    forge: ForgeOnDisk
    repository: dg.RepositoryDefinition
    instance: dg.DagsterInstance


_open: list[_Open | str] = []


def open_worker(root: Path, ref: InstanceRef | None, secrets: Mapping[str, str]) -> None:
    """Prepare this process: it ends when the process that started it does, and speaks through return values only."""
    threading.Thread(target=_end_with_parent, daemon=True, name="wvforge-parent-watch").start()
    hide_from_builds()
    give_secrets(secrets)
    warnings.simplefilter("ignore")
    # Ctrl-C goes to the whole group of a terminal: this process is ended by the one that started it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, sys.stdout.fileno())
    os.dup2(silence, sys.stderr.fileno())
    logging.disable(logging.CRITICAL)
    try:
        forge = open_forge(read_settings(root))
        files = files_of_recipes(forge)
        definitions = dg.Definitions(assets=forge_assets(forge, files), asset_checks=gpu_checks(forge, files))
        repository = definitions.get_repository_def()
        _open.append(_Open(forge, repository, open_quiet_instance(forge, ref)))
    except Exception as error:  # a pool whose initializer raises says only that it is broken
        _open.append(f"{type(error).__name__}: {error}".splitlines()[0])


def _end_with_parent() -> None:
    """End this process once the one that started the pool is gone, by ``kill -9`` too.

    The kernel's death signal does not do: it follows the fork server, which lives as long as any of its workers.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class RunOutcome:
    """How the run of a package variant ended.

    Attributes:
        error: why it failed, in one line; None if it did not.
        staged: whether others can build against it: it was made, though its upload may have failed.
        text: what was done, for people.
    """

    error: str | None = None
    staged: bool = True
    text: str = ""


def run_variant(identity: VariantId, reason: str, publish: bool, force: bool, cores: int, build: str) -> RunOutcome:
    """Materialize a package variant, and its upload if it is to be published.

    Args:
        cores: that its build and tests get.
        build: the name of the build that it is a part of.
    """
    here = _open[0]
    if isinstance(here, str):
        return RunOutcome(here, staged=False)
    set_cores_of_share(cores)
    keys = [package_key(identity.package), *([upload_key(identity.package)] if publish else [])]
    job = here.repository.get_implicit_job_def_for_assets(keys)
    assert job is not None, "a package and its upload have one partitioning"
    run_id = str(uuid.uuid4())
    config = {"force": force, "reason": reason}
    tags = {
        REASON_TAG: reason[:200],
        PACKAGE_TAG: identity.package,
        BUILD_TAG: build,
        MACHINE_TAG: socket.gethostname(),
    }
    if identity.partition:
        tags[PARTITION_TAG] = identity.partition
    with run_lock(here.forge, run_id):
        make_run_database(here.instance, run_id)
        result = job.execute_in_process(
            instance=here.instance,
            asset_selection=keys,
            partition_key=identity.partition or None,
            raise_on_error=False,
            run_id=run_id,
            tags=tags,
            run_config={"ops": {op_name(BUILD, identity.package, here.forge.catalog): {"config": config}}},
        )
    done = {event.asset_key: event for event in result.all_events if event.event_type_value == "ASSET_MATERIALIZATION"}
    made = done.get(package_key(identity.package))
    text = str(made.materialization.metadata["decision"].value) if made and made.materialization else ""
    if result.success:
        return RunOutcome(text=text)
    return RunOutcome(_why_failed(result), staged=made is not None, text=text)


def _why_failed(result: dg.ExecuteInProcessResult) -> str:
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            said = data.user_failure_data.description if data.user_failure_data else None
            error = data.error and (data.error.cause or data.error)
            return said or (error.message.strip().splitlines()[0] if error else "failed")
    return "the run did not start: see Dagster's log"
