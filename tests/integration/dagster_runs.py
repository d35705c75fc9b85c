"""Launching, following and ending runs and backfills through a server's GraphQL, as the UI does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from integration.dagster_server import REPOSITORY, DagsterServer

ENDED = ("SUCCESS", "FAILURE", "CANCELED")
BACKFILL_ENDED = ("COMPLETED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED")


def asset_key(name: str) -> dict[str, list[str]]:
    """A key as GraphQL takes it, of ``cu-b`` or of ``upload/cu-b``."""
    return {"path": name.split("/")}


def launch_run(server: DagsterServer, assets: Iterable[str], partition: str | None = None) -> str:
    """Launch one run that materializes these assets, with their checks, as the UI does; returns its id."""
    names = list(assets)
    checks = [{"assetKey": asset_key(name), "name": check} for name in names for check in check_names(server, name)]
    tags = [{"key": "dagster/partition", "value": partition}] if partition else []
    selector = {
        "jobName": "__ASSET_JOB",
        "assetSelection": [asset_key(name) for name in names],
        "assetCheckSelection": checks,
    }
    return _launch(server, selector, tags)


def launch_job(server: DagsterServer, job: str) -> str:
    """Launch one run of a job that has no partitions; returns its id."""
    return _launch(server, {"jobName": job}, [])


def _launch(server: DagsterServer, selector: Mapping[str, Any], tags: list[dict[str, str]]) -> str:
    where = {"repositoryName": REPOSITORY, "repositoryLocationName": server.location}
    answer = server.ask(
        """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
             __typename ... on LaunchRunSuccess { run { runId } } ... on Error { message } } }""",
        {"params": {"selector": {**selector, **where}, "mode": "default", "executionMetadata": {"tags": tags}}},
    )["launchRun"]
    assert answer["__typename"] == "LaunchRunSuccess", answer
    return str(answer["run"]["runId"])


def check_names(server: DagsterServer, name: str) -> list[str]:
    """The checks of an asset."""
    answer = server.ask(
        """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
             assetChecksOrError { ... on AssetChecks { checks { name } } } } } }""",
        {"key": asset_key(name)},
    )
    return [check["name"] for check in answer["assetNodeOrError"]["assetChecksOrError"].get("checks", [])]


def launch_backfill(server: DagsterServer, assets: Iterable[str], partitions: Iterable[str]) -> str:
    """Launch a backfill of these partitions of these assets; returns its id."""
    answer = server.ask(
        """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
             __typename ... on LaunchBackfillSuccess { backfillId } ... on Error { message } } }""",
        {"params": {"assetSelection": [asset_key(a) for a in assets], "partitionNames": list(partitions)}},
    )["launchPartitionBackfill"]
    assert answer["__typename"] == "LaunchBackfillSuccess", answer
    return str(answer["backfillId"])


def backfill_status(server: DagsterServer, backfill: str) -> str:
    """The status of a backfill; see `BACKFILL_ENDED`."""
    answer = server.ask(
        """query($id: String!) { partitionBackfillOrError(backfillId: $id) { __typename
             ... on PartitionBackfill { status error { message } } } }""",
        {"id": backfill},
    )["partitionBackfillOrError"]
    assert answer["__typename"] == "PartitionBackfill", answer
    assert not answer["error"], answer["error"]
    return str(answer["status"])


def backfill_runs(server: DagsterServer, backfill: str) -> list[dict[str, Any]]:
    """The runs of a backfill: id, status and tags."""
    answer = server.ask(
        """query($id: String!) { partitionBackfillOrError(backfillId: $id) {
             ... on PartitionBackfill { runs { runId status tags { key value } } } } }""",
        {"id": backfill},
    )
    runs = answer["partitionBackfillOrError"]["runs"]
    assert isinstance(runs, list)
    return runs


def run_status(server: DagsterServer, run: str) -> str:
    """The status of a run; see `ENDED`."""
    answer = server.ask("query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }", {"id": run})
    return str(answer["runOrError"]["status"])


def run_messages(server: DagsterServer, run: str) -> list[tuple[str, str]]:
    """The event log of a run so far: each event's type of GraphQL and its message."""
    found: list[tuple[str, str]] = []
    cursor = None
    while True:
        answer = server.ask(
            """query($id: ID!, $cursor: String) { logsForRun(runId: $id, afterCursor: $cursor) { __typename
                 ... on EventConnection { cursor hasMore events { __typename ... on MessageEvent { message } } } } }""",
            {"id": run, "cursor": cursor},
        )["logsForRun"]
        assert answer["__typename"] == "EventConnection", answer
        found += [(event["__typename"], event["message"]) for event in answer["events"]]
        if not answer["hasMore"]:
            return found
        cursor = answer["cursor"]


def terminate_run(server: DagsterServer, run: str) -> None:
    """Ask for the end of a run, as the UI's button does."""
    answer = server.ask(
        """mutation($id: String!) { terminateRun(runId: $id, terminatePolicy: SAFE_TERMINATE) {
             __typename ... on TerminateRunFailure { message } ... on PythonError { message } } }""",
        {"id": run},
    )["terminateRun"]
    assert answer["__typename"] == "TerminateRunSuccess", answer


def reload_location(server: DagsterServer) -> None:
    """Load the forge anew, as the UI's button does."""
    answer = server.ask(
        """mutation($name: String!) { reloadRepositoryLocation(repositoryLocationName: $name) { __typename
             ... on WorkspaceLocationEntry { locationOrLoadError { __typename
               ... on PythonError { message } } } } }""",
        {"name": server.location},
    )["reloadRepositoryLocation"]
    assert answer["__typename"] == "WorkspaceLocationEntry", answer
    assert answer["locationOrLoadError"]["__typename"] == "RepositoryLocation", answer


def requested_runs(server: DagsterServer) -> list[dict[str, Any]]:
    """The runs that the sensor of changed recipes asked for, the newest first: partition, packages, reason and status."""
    answer = server.ask(
        """{ runsOrError(filter: {tags: [{key: "wvforge/request", value: "changed recipe"}]}, limit: 200) {
             ... on Runs { results { runId status tags { key value } assetSelection { path } } } } }"""
    )
    found = []
    for run in answer["runsOrError"]["results"]:
        tags = {tag["key"]: tag["value"] for tag in run["tags"]}
        packages = sorted(key["path"][0] for key in run["assetSelection"] if len(key["path"]) == 1)
        found.append(
            {
                "status": run["status"],
                "partition": tags.get("dagster/partition", ""),
                "packages": packages,
                "reason": tags.get("wvforge/reason", ""),
            }
        )
    return found


def sensor_words(server: DagsterServer, sensor: str) -> str:
    """What the sensor's last tick said: why it asked for nothing, or its fault; empty if it asked for runs."""
    answer = server.ask(
        """query($selector: SensorSelector!) { sensorOrError(sensorSelector: $selector) { ... on Sensor { sensorState {
             ticks(limit: 1, statuses: [SKIPPED, SUCCESS, FAILURE]) { status skipReason error { message } } } } } }""",
        {
            "selector": {
                "sensorName": sensor,
                "repositoryName": REPOSITORY,
                "repositoryLocationName": server.location,
            }
        },
    )
    ticks = answer["sensorOrError"]["sensorState"]["ticks"]
    return "".join(tick["skipReason"] or (tick["error"] or {}).get("message") or "" for tick in ticks)
