"""A running ``wvforge dev``: Dagster's webserver and daemon over one forge, asked through GraphQL."""

from __future__ import annotations

import json
import socket
import subprocess
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integration.commands import environment, program
from integration.process_tree import end_tree
from integration.waiting import wait_until

REPOSITORY = "__repository__"
START_SECONDS = 180.0
STOP_SECONDS = 20.0


@dataclass(frozen=True)
class DagsterServer:
    """A server that is up.

    Attributes:
        url: of the UI, without a slash at its end.
        pid: of ``dagster dev``, above the webserver, the daemon and the runs.
        log: what all of them print.
    """

    url: str
    pid: int
    log: Path

    @property
    def location(self) -> str:
        """The name of the code location, which has one repository, `REPOSITORY`."""
        nodes = self.ask("{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }")
        (node,) = nodes["repositoriesOrError"]["nodes"]
        assert node["name"] == REPOSITORY
        return str(node["location"]["name"])

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The data that answers a GraphQL query or mutation."""
        request = urllib.request.Request(
            f"{self.url}/graphql",
            data=json.dumps({"query": query, "variables": dict(variables or {})}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        data = answer["data"]
        assert isinstance(data, dict)
        return data


@contextmanager
def dagster_server(forge: Path, log: Path, **added: str) -> Iterator[DagsterServer]:
    """Run ``wvforge dev`` on a free port until the end of the block; then nothing of it is left running.

    Args:
        added: to its environment.
    """
    mark = f"wvforge-test-{uuid.uuid4()}"
    port = free_port()
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as stream:
        child = subprocess.Popen(
            [program("wvforge"), "--forge", str(forge), "dev", "--port", str(port)],
            cwd=log.parent,
            env=environment(WVFORGE_TEST_TREE=mark, **added),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = DagsterServer(f"http://127.0.0.1:{port}", child.pid, log)
    try:
        wait_until("the server answers", lambda: _is_up(server, child), seconds=START_SECONDS)
        yield server
    finally:
        end_tree(child, mark, seconds=STOP_SECONDS)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_up(server: DagsterServer, child: subprocess.Popen[bytes]) -> bool:
    """Whether the webserver has loaded the forge and the daemons that tests need have had their first turn."""
    assert child.poll() is None, f"wvforge dev ended: {server.log.read_text(errors='replace')[-3000:]}"
    try:
        data = server.ask(
            """{ workspaceOrError { ... on Workspace { locationEntries {
                   loadStatus locationOrLoadError { __typename ... on PythonError { message } } } } }
                 instance { daemonHealth { allDaemonStatuses { daemonType healthy } } } }"""
        )
    except (OSError, urllib.error.URLError):
        return False
    entries = data["workspaceOrError"]["locationEntries"]
    for entry in entries:
        found = entry["locationOrLoadError"] or {}
        assert found.get("__typename") != "PythonError", found["message"]
    daemons = {row["daemonType"]: row["healthy"] for row in data["instance"]["daemonHealth"]["allDaemonStatuses"]}
    loaded = bool(entries) and all(entry["loadStatus"] == "LOADED" for entry in entries)
    return loaded and bool(daemons.get("BACKFILL")) and bool(daemons.get("QUEUED_RUN_COORDINATOR"))
