"""Pages of Dagster's UI, opened and drawn to their end."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from integration.browser import Browser
from integration.dagster_server import DagsterServer
from integration.waiting import wait_until


def open_graph(window: Browser, server: DagsterServer, *, levels: int, packages: Iterable[str]) -> str:
    """The lineage page with its levels unfolded; returns its text once all packages are shown."""
    groups = ",".join(f"global@global:level_{level}" for level in range(levels))
    window.open(f"{server.url}/asset-groups?expanded={quote(groups)}")
    return window.wait_for_text("Global asset lineage", *packages)


def open_partition(window: Browser, server: DagsterServer, asset: str, cuda: str, python: str) -> str:
    """The partitions page of an asset with one partition chosen; returns its text once its metadata is shown."""
    partition = f"{cuda}|{python}"
    window.open(f"{server.url}/assets/{quote(asset)}?view=partitions")
    window.wait_for_text("Partitions Selected", "Missing (", cuda, python)
    for value in (cuda, python):
        window.click(f"//*[normalize-space(text())='{value}']")
    wait_until(f"{partition} is chosen", lambda: partition in window.text(), seconds=60)
    return window.wait_for_text(partition, "Latest materialization", "filename")
