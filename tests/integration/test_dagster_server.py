"""What Dagster's webserver and daemon show and do over a forge that ``wvforge build`` built."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration.commands import states, statuses
from integration.conftest import Served
from integration.dagster_assets import (
    asset_nodes,
    check_results,
    latest_metadata,
    materialized_partitions,
    names_of,
)
from integration.dagster_runs import (
    BACKFILL_ENDED,
    backfill_runs,
    backfill_status,
    launch_backfill,
    reload_location,
)
from integration.small_forge import COLUMNS
from integration.waiting import wait_until

pytestmark = pytest.mark.integration

LEVELS = {"lib-a": "level_0", "slow": "level_0", "cu-b": "level_1", "cu-c": "level_2", "top": "level_3"}


def test_packages_are_grouped_by_level_and_depend_as_the_recipes_say(served: Served) -> None:
    nodes = asset_nodes(served.server)
    assert {name: nodes[name]["groupName"] for name in LEVELS} == LEVELS
    assert set(nodes) == {*LEVELS, *(f"upload/{name}" for name in LEVELS)}
    assert {nodes[f"upload/{name}"]["groupName"] for name in LEVELS} == {"upload"}
    assert names_of(nodes["cu-c"]["dependencyKeys"]) == {"cu-b"}
    assert names_of(nodes["upload/cu-c"]["dependencyKeys"]) == {"cu-c"}
    assert nodes["cu-b"]["partitionKeys"] == list(COLUMNS)
    assert nodes["lib-a"]["description"] == "The base of everything"
    assert nodes["lib-a"]["owners"] == [{"team": "alice"}]
    assert set(nodes["cu-b"]["kinds"]) == {"conda", "cuda"}


def test_materialized_partitions_are_those_that_status_calls_published(served: Served) -> None:
    nodes = asset_nodes(served.server)
    found = states(served.forge.root)
    for name in ("cu-b", "cu-c"):
        built = {column for column in COLUMNS if found[name, column] in ("published", "stale", "waiting")}
        assert materialized_partitions(served.server, name) == built
        assert materialized_partitions(served.server, f"upload/{name}") == built
        assert nodes[name]["partitionStats"]["numMaterialized"] == len(built)
    for name in ("lib-a", "top"):
        assert latest_metadata(served.server, f"upload/{name}")["filename"].startswith(f"{name}-")


def test_a_materialization_carries_what_was_built(served: Served) -> None:
    row = statuses(served.forge.root)["cu-b", "13.2|3.12"]
    shown = latest_metadata(served.server, "cu-b", "13.2|3.12")
    assert shown["filename"] == row["filename"]
    assert shown["sha256"] == row["sha256"]
    assert shown["decision"].startswith("built, because: never built")
    assert shown["version"] == "2.0"
    assert shown["subdir"] == "linux-64"
    assert shown["filename"] == f"cu-b-2.0-{shown['build string']}.conda"
    assert int(shown["size (bytes)"]) > 0
    assert int(shown["files"]) == 1
    assert len(shown["content digest"]) == len(shown["input digest"]) == 64
    assert shown["variant"] == '{"cuda_version": "13.2", "python": "3.12"}'
    assert "lib-a" in str(shown["host environment"])
    assert "b.txt" in Path(shown["log"]).read_text()
    for phase in ("render", "solve and build", "script", "test"):
        assert float(shown[f"seconds: {phase}"]) >= 0
    uploaded = latest_metadata(served.server, "upload/cu-b", "13.2|3.12")
    assert uploaded["sha256"] == row["sha256"]
    assert uploaded["channels"] == row["channel"]


def test_a_backfill_of_one_column_builds_and_publishes_what_became_stale(served: Served) -> None:
    column, other = ("13.0|3.12", "13.0|3.13"), ("13.2|3.12", "13.2|3.13")
    served.forge.mend("cu-b", "- echo ${{", "- echo built for ${{")
    before = states(served.forge.root)
    assert {before["cu-b", partition] for partition in COLUMNS} == {"stale"}
    reload_location(served.server)
    assets = ("cu-b", "cu-c", "upload/cu-b", "upload/cu-c")
    backfill = launch_backfill(served.server, assets, column)
    wait_until(
        "the backfill ends", lambda: backfill_status(served.server, backfill) in BACKFILL_ENDED, seconds=240, every=1
    )
    assert backfill_status(served.server, backfill) == "COMPLETED_SUCCESS"
    runs = backfill_runs(served.server, backfill)
    assert {run["status"] for run in runs} == {"SUCCESS"}
    found = statuses(served.forge.root)
    for partition in column:
        assert found["cu-b", partition]["state"] == "published"
        assert found["cu-b", partition]["filename"].endswith("_1.conda"), "a filename is not used for other content"
        assert found["cu-c", partition]["state"] == "published"
        assert latest_metadata(served.server, "cu-b", partition)["sha256"] == found["cu-b", partition]["sha256"]
    assert {found["cu-b", partition]["state"] for partition in other} == {"stale"}
    for name in ("cu-b", "cu-c"):
        assert check_results(served.server, name, "script") == dict.fromkeys(COLUMNS, "SUCCEEDED")
