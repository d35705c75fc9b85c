"""The database that Dagster's SQLite event log keeps for each run."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path

import dagster as dg


def make_run_database(instance: dg.DagsterInstance, run_id: str) -> None:
    """Make the database of a run that begins, as a copy of an empty one.

    Dagster would make it too, through a hundred files of migrations that alembic executes each time: 0.15 s of every run.
    """
    from dagster._core.storage.event_log import SqliteEventLogStorage

    storage = instance.event_log_storage
    if isinstance(storage, SqliteEventLogStorage):
        Path(storage.path_for_shard(run_id)).write_bytes(_empty_database())
        storage._initialized_dbs.add(run_id)


@cache
def _empty_database() -> bytes:
    """A database as Dagster makes it, with its tables and version and no event."""
    from dagster._core.storage.event_log import SqliteEventLogStorage

    folder = tempfile.mkdtemp(prefix="wvforge-")
    try:
        storage = SqliteEventLogStorage(folder)
        with storage.run_connection("empty"):
            pass
        # The last connection that is closed writes everything into the one file.
        return Path(storage.path_for_shard("empty")).read_bytes()
    finally:
        shutil.rmtree(folder)
