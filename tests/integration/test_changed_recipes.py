"""A running daemon reacts to what happens to the folder of a forge, seen from outside, through GraphQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.receivers import Webhook

from integration.commands import states, statuses
from integration.conftest import Served
from integration.dagster_assets import asset_nodes
from integration.dagster_runs import requested_runs, sensor_words
from integration.dagster_server import dagster_server
from integration.small_forge import COLUMNS, make_small_forge
from integration.waiting import wait_until

pytestmark = pytest.mark.integration

SENSOR = "changed_recipes"
NEW = """\
package: {name: new, version: "1.0"}
build: {noarch: generic, script: ["mkdir -p $PREFIX/share", "echo n > $PREFIX/share/n.txt"]}
requirements: {host: [lib-a]}
"""
LIMITED = """\
package: {name: limited, version: "1.0"}
build:
  variant: {use_keys: [cuda_version, python]}
  script: ["mkdir -p $PREFIX/share", "echo l > $PREFIX/share/l.txt"]
requirements:
  host:
    - lib-a
    - if: match(cuda_version, ">=13.4")
      then: not-yet-upstream >=3
"""


@pytest.fixture(scope="module")
def webhook() -> Iterator[Webhook]:
    """Who is told of what the daemon does."""
    with Webhook() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, webhook: Webhook) -> Iterator[Served]:
    """A forge of which nothing is built, and a server whose daemon watches it."""
    folder = tmp_path_factory.mktemp("watched")
    forge = make_small_forge(folder / "forge")
    (forge.root / "forge.yaml").write_text(
        "channels: []\nwatch: 5\nnotify: [{variable: WVFORGE_NOTIFY_HOOK}]\n", encoding="utf-8"
    )
    forge.write("limited", LIMITED)
    with dagster_server(forge.root, folder / "server.log", WVFORGE_NOTIFY_HOOK=webhook.address) as server:
        yield Served(forge, server)


def published(root: Path) -> bool:
    return set(states(root).values()) == {"published"}


def test_a_daemon_builds_and_publishes_a_new_forge_by_itself(watched: Served) -> None:
    wait_until("everything is published", lambda: published(watched.forge.root), seconds=400, every=2)
    runs = requested_runs(watched.server)
    asked = [(run["partition"], name) for run in runs for name in run["packages"]]
    assert len(asked) == len(set(asked)), "nothing is asked for twice"
    assert {partition for partition, _ in asked} == {"", *COLUMNS}
    assert sum(1 for partition, _ in asked if partition == COLUMNS[0]) == 3
    assert all("never built" in run["reason"] for run in runs)
    wait_until("the sensor says so", lambda: "up to date" in sensor_words(watched.server, SENSOR), seconds=60, every=1)


def test_a_changed_script_is_built_anew_in_every_column_and_once(watched: Served) -> None:
    before = len(requested_runs(watched.server))
    watched.forge.mend("cu-b", "- echo ${{", "- echo built for ${{")
    assert states(watched.forge.root)["cu-b", COLUMNS[0]] == "stale"
    wait_until("everything is published", lambda: published(watched.forge.root), seconds=400, every=2)
    runs = requested_runs(watched.server)[: -before or None]
    again = [(run["partition"], name) for run in runs for name in run["packages"] if name == "cu-b"]
    assert sorted(again) == [(partition, "cu-b") for partition in COLUMNS]
    assert all("build.script" in run["reason"] for run in runs if "cu-b" in run["packages"])
    found = statuses(watched.forge.root)
    assert all(found["cu-b", partition]["filename"].endswith("_1.conda") for partition in COLUMNS)
    assert not any("limited" in run["packages"] or "lib-a" in run["packages"] for run in runs)


def test_a_new_folder_a_broken_one_and_a_removed_one_are_picked_up(watched: Served) -> None:
    watched.forge.write("new", NEW)
    watched.forge.write("broken", "package: {name: broken")
    wait_until(
        "the new recipe is published",
        lambda: states(watched.forge.root)["new", None] == "published",
        seconds=240,
        every=2,
    )
    nodes = asset_nodes(watched.server)
    assert {"new", "upload/new", "broken"} <= set(nodes)
    assert states(watched.forge.root)["broken", None] == "failed"
    watched.forge.recipe("broken").unlink()
    wait_until("the broken one is gone", lambda: "broken" not in asset_nodes(watched.server), seconds=120, every=2)
    assert published(watched.forge.root)


def test_a_new_cuda_version_is_built_as_far_as_it_can_be_solved_and_nothing_else_is(watched: Served) -> None:
    before = statuses(watched.forge.root)
    variants = watched.forge.root / "variants.yaml"
    variants.write_text(variants.read_text().replace('"13.2"', '"13.2", "13.4"'), encoding="utf-8")
    missing = states(watched.forge.root)
    assert missing["cu-b", "13.4|3.12"] == "missing"
    wait_until(
        "the new column is published",
        lambda: all(
            states(watched.forge.root)[name, f"13.4|{python}"] == "published"
            for name in ("cu-b", "cu-c")
            for python in ("3.12", "3.13")
        ),
        seconds=400,
        every=2,
    )
    after = statuses(watched.forge.root)
    for python in ("3.12", "3.13"):
        assert after["limited", f"13.4|{python}"]["state"] == "unsolvable"
        assert "not-yet-upstream" in after["limited", f"13.4|{python}"]["reason"]
    for name, partition in before:
        if partition is not None:
            assert after[name, partition]["sha256"] == before[name, partition]["sha256"]


def test_what_came_of_the_daemons_runs_was_told_and_each_failure_once(watched: Served, webhook: Webhook) -> None:
    unsolvable = [f"limited[13.4|{python}] (unsolvable)" for python in ("3.12", "3.13")]

    def failures() -> list[str]:
        told = [one["message"] for one in webhook.messages if "failed" in one["title"]]
        return sorted(line.split(": ")[0] for text in told for line in text.splitlines() if line.startswith("limited"))

    wait_until("what cannot be solved was told", lambda: len(failures()) >= 2, seconds=120, every=1)
    assert failures() == unsolvable
    columns = "\n".join(one["message"] for one in webhook.messages if "complete" in one["title"])
    assert all(f"column {key}: " in columns for key in COLUMNS)
    assert "13.4" not in columns


def test_a_cuda_version_that_is_taken_out_stays_published_and_is_retired(watched: Served) -> None:
    variants = watched.forge.root / "variants.yaml"
    variants.write_text(variants.read_text().replace(', "13.4"', ""), encoding="utf-8")
    found = statuses(watched.forge.root)
    assert found["cu-b", "13.4|3.12"]["state"] == "retired"
    assert found["cu-b", "13.4|3.12"]["channel"] == "file:output/channel"
    wait_until(
        "its column is gone from the UI",
        lambda: asset_nodes(watched.server)["cu-b"]["partitionKeys"] == list(COLUMNS),
        seconds=120,
        every=2,
    )
