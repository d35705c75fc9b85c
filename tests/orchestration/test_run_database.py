import sqlite3
import uuid
from pathlib import Path

import dagster as dg
from dagster._core.storage.event_log import SqliteEventLogStorage

from wvforge_dagster.orchestration.run_database import make_run_database


@dg.asset
def alpha(context: dg.AssetExecutionContext) -> None:
    context.log.info("a line")


def test_a_run_whose_database_was_made_beforehand_is_recorded_and_read_by_others(tmp_path: Path) -> None:
    run_id = str(uuid.uuid4())
    job = dg.Definitions(assets=[alpha]).get_implicit_global_asset_job_def()
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        make_run_database(instance, run_id)
        assert job.execute_in_process(instance=instance, run_id=run_id).success
    with dg.DagsterInstance.local_temp(str(tmp_path)) as other:
        assert "a line" in [event.user_message for event in other.all_logs(run_id)]
        assert other.get_latest_materialization_event(dg.AssetKey("alpha")) is not None
        # The same tables and the same version as a database that Dagster makes for a run.
        own = job.execute_in_process(instance=other).run_id
        assert _tables(other, run_id) == _tables(other, own)


def _tables(instance: dg.DagsterInstance, run_id: str) -> tuple[list[tuple[str]], list[tuple[str]]]:
    storage = instance.event_log_storage
    assert isinstance(storage, SqliteEventLogStorage)
    with sqlite3.connect(storage.path_for_shard(run_id)) as connection:
        tables = connection.execute("select sql from sqlite_master order by name").fetchall()
        return tables, connection.execute("select version_num from alembic_version").fetchall()
