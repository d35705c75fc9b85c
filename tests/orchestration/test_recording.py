"""What Dagster is told of runs that were killed, and of what it does not show."""

from __future__ import annotations

import os
import socket
import uuid
from typing import NoReturn

import dagster as dg
import pytest
from small_forge import SmallForge
from typer.testing import CliRunner

from wvforge_dagster.cli import app
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.state import State, Status
from wvforge_dagster.orchestration.build_forge import Wanted, build_forge
from wvforge_dagster.orchestration.instance import open_quiet_instance
from wvforge_dagster.orchestration.keys import package_key
from wvforge_dagster.orchestration.locks import run_lock
from wvforge_dagster.orchestration.recording import end_dead_runs, record_up_to_date
from wvforge_dagster.orchestration.run_worker import MACHINE_TAG, PACKAGE_TAG


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


def test_a_run_of_another_machine_is_left_alone(small_forge: SmallForge) -> None:
    forge = small_forge.open()
    started = dg.DagsterRunStatus.STARTED
    with open_quiet_instance(forge) as instance:
        mine = begin(instance, started, **{PACKAGE_TAG: "a", MACHINE_TAG: socket.gethostname()})
        theirs = begin(instance, started, **{PACKAGE_TAG: "a", MACHINE_TAG: f"not-{socket.gethostname()}"})
        assert end_dead_runs(instance, forge) == 1
        runs = {run.run_id: run.status for run in instance.get_runs()}
    assert runs == {mine: dg.DagsterRunStatus.FAILURE, theirs: started}


def test_runs_of_killed_builds_are_ended_before_a_build_begins(small_forge: SmallForge) -> None:
    small_forge.package("a", "exit 1")
    forge = small_forge.open()
    with open_quiet_instance(forge) as instance:
        dead = begin(instance, dg.DagsterRunStatus.STARTED, **{PACKAGE_TAG: "a"})
        seen: list[dg.DagsterRunStatus] = []

        def on_plan(_: object) -> None:
            found = instance.get_run_by_id(dead)
            assert found is not None
            seen.append(found.status)

        build_forge(forge, Wanted((VariantId("a"),)), on_plan, lambda event: None)
    assert seen == [dg.DagsterRunStatus.FAILURE]


def test_runs_of_killed_builds_are_ended_before_the_ui_is_served(
    small_forge: SmallForge, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Served(Exception):
        """What would be served now."""

    def serve(*_: object) -> NoReturn:
        raise Served

    monkeypatch.setattr(os, "execve", serve)
    monkeypatch.chdir(small_forge.root)
    with open_quiet_instance(small_forge.open()) as instance, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        dead = begin(instance, dg.DagsterRunStatus.STARTED, **{PACKAGE_TAG: "a"})
        done = CliRunner().invoke(app, ["--forge", str(small_forge.root), "dev", "--port", str(port)])
        assert isinstance(done.exception, Served), done.output
        found = instance.get_run_by_id(dead)
        assert found is not None
        assert found.status is dg.DagsterRunStatus.FAILURE


@pytest.fixture
def columns(small_forge: SmallForge) -> dict[VariantId, Status]:
    """Package variants that are said to be published."""
    small_forge.write("variants.yaml", "python: ['3.12.*', '3.13.*']\n")
    small_forge.configure(channels=[])
    for name in ("a", "b"):
        small_forge.package(name, host=("python",))
        small_forge.edit(name, "  noarch: generic\n", "")
    catalog = small_forge.open().catalog
    return {identity: Status(identity, State.PUBLISHED, "up to date") for identity in catalog.variants}


def questions(
    instance: dg.DagsterInstance, statuses: dict[VariantId, Status], monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Record them, and return for which assets Dagster was asked for its partitions, and how often for records of assets."""
    asked: list[str] = []
    status_of, records_of = instance.get_status_by_partition, instance.get_asset_records
    with monkeypatch.context() as patch:
        patch.setattr(
            instance,
            "get_status_by_partition",
            lambda key, *rest: asked.append(key.to_user_string()) or status_of(key, *rest),
        )
        patch.setattr(
            instance, "get_asset_records", lambda asset_keys: asked.append("records") or records_of(asset_keys)
        )
        record_up_to_date(instance, statuses.values())
    return asked


def test_nothing_is_asked_of_dagster_where_nothing_happened(
    small_forge: SmallForge, columns: dict[VariantId, Status], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_quiet_instance(small_forge.open()) as instance:
        assert record_up_to_date(instance, columns.values()) == 2 * len(columns)
        assert set(questions(instance, columns, monkeypatch)) == {"records"}
        assert questions(instance, columns, monkeypatch) == []


def test_what_was_removed_from_dagster_is_told_to_it_again(
    small_forge: SmallForge, columns: dict[VariantId, Status]
) -> None:
    with open_quiet_instance(small_forge.open()) as instance:
        assert [record_up_to_date(instance, columns.values()) > 0 for _ in range(3)] == [True, False, False]
        instance.wipe_assets([package_key("b")])
        of_b = sum(1 for identity in columns if identity.package == "b")
        assert [record_up_to_date(instance, columns.values()) for _ in range(2)] == [of_b, 0]


def test_only_assets_to_which_something_happened_are_asked_for(
    small_forge: SmallForge, columns: dict[VariantId, Status], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_quiet_instance(small_forge.open()) as instance:
        for _ in range(2):
            record_up_to_date(instance, columns.values())
        partition = next(identity.partition for identity in columns if identity.package == "a")
        instance.report_runless_asset_event(dg.AssetMaterialization(package_key("a"), partition=partition))
        assert set(questions(instance, columns, monkeypatch)) == {"records", "a"}
        assert questions(instance, columns, monkeypatch) == []
