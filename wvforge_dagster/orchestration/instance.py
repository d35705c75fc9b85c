"""Dagster's instance of a forge: its storage lies in the forge's output folder unless DAGSTER_HOME says otherwise."""

from __future__ import annotations

import fcntl
import importlib.resources
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.instance import InstanceRef

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.pools import pool_limits
from wvforge_dagster.orchestration.whole_files import write_whole
from wvforge_dagster.settings import dagster_home

_QUIET = {
    # `run_plan` has its own limits; a run that is killed would keep its slots of an op's pool for ever.
    "concurrency": {"pools": {"granularity": "run"}},
    "compute_logs": {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    },
}


def prepare_home(forge: ForgeOnDisk) -> Path:
    """The folder that DAGSTER_HOME should name; made, with the project's settings and an empty storage, if it is new.

    Two processes that create Dagster's SQLite tables at once leave two version numbers behind, and nobody can open the
    storage again; so they are created here, by one process at a time, before anything else opens it.
    """
    home = dagster_home(forge.output)
    with storage_faults(home):
        _prepare(home, pool_limits(forge.forge.classes))
    return home


@contextmanager
def storage_faults(home: Path) -> Iterator[None]:
    """Faults of Dagster's storage as one line. What it holds is history: it may be deleted."""
    # A third of a second, which loading the definitions does not need.
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except OSError as error:
        raise ForgeError(f"Dagster's storage cannot be written: {error.strerror or error}", where=str(home)) from None
    except SQLAlchemyError as error:
        said = str(error).splitlines()[0]
        remedy = "make room if the disk is full; else delete that folder: only history is in it"
        raise ForgeError(f"Dagster's storage cannot be used: {said}", where=str(home), remedy=remedy) from None


def _prepare(home: Path, limits: Mapping[str, int]) -> None:
    """Make what is missing, and set the limits of pools that forge.yaml changed since: the others are the user's."""
    home.mkdir(parents=True, exist_ok=True)
    prepared = home / ".wvforge-prepared"
    with (home / ".wvforge.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in ("dagster.yaml", "workspace.yaml"):
            if not (home / name).exists():
                shipped = importlib.resources.files("wvforge_dagster.orchestration").joinpath("home", name)
                write_whole(home / name, shipped.read_text(encoding="utf-8"))
        known = _limits_set(prepared)
        if known != limits:
            with _open(home) as instance:
                if not prepared.exists():
                    instance.get_runs(limit=1)
                    instance.event_log_storage.get_materialized_partitions(dg.AssetKey("none"))
                    instance.all_instigator_state()
                for pool in sorted({*known, *limits}):
                    if pool not in limits:
                        instance.event_log_storage.delete_concurrency_limit(pool)
                    elif known.get(pool) != limits[pool]:
                        instance.event_log_storage.set_concurrency_slots(pool, limits[pool])
            write_whole(prepared, json.dumps(limits))


def _limits_set(prepared: Path) -> dict[str, int]:
    """The limits of pools that were set last; none, if the storage is new."""
    try:
        found = json.loads(prepared.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def open_quiet_instance(forge: ForgeOnDisk, ref: InstanceRef | None = None) -> dg.DagsterInstance:
    """The forge's Dagster instance, without the capture of this process's output: a build's log goes to the event log.

    Args:
        ref: of the instance that this process serves; None for the one in `dagster_home`.
    """
    if ref is not None:
        return dg.DagsterInstance.from_ref(ref)
    home = prepare_home(forge)
    with storage_faults(home):
        return _open(home)


def _open(home: Path) -> dg.DagsterInstance:
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home), overrides=_QUIET))
