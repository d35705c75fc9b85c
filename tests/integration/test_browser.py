"""What a user sees and clicks in Dagster's UI, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration.browser import Browser
from integration.conftest import Served, serve_small_forge
from integration.dagster_runs import ENDED, run_status
from integration.pages import open_graph, open_partition
from integration.waiting import wait_until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A forge of these tests' own: others leave killed runs behind, which hold their places in the pools for a minute."""
    with serve_small_forge(tmp_path_factory.mktemp("browsed")) as found:
        yield found


def test_the_asset_graph_shows_every_package_in_its_level(served: Served, window: Browser) -> None:
    shown = open_graph(window, served.server, levels=4, packages=("lib-a", "cu-b", "cu-c", "top")).splitlines()
    assert shown.count("cu-b") == 1, "its upload is in the group `upload`, which is folded"
    assert {"level_0", "level_1", "level_2", "level_3", "upload"} <= set(shown)


def test_the_partitions_of_a_built_package_are_shown_as_materialized(served: Served, window: Browser) -> None:
    shown = open_partition(window, served.server, "cu-c", "13.0", "3.12")
    assert "Materialized (4)" in shown
    assert "Missing (0)" in shown
    assert "Failed (0)" in shown
    assert "cu-c-2.0-" in shown


def test_the_materialize_button_launches_a_run(served: Served, window: Browser) -> None:
    open_partition(window, served.server, "cu-c", "13.0", "3.12")
    before = _runs(served)
    window.click("//button[contains(., 'Materialize')]")
    window.wait_for_text("Launch runs to materialize cu-c", "1 partition")
    window.click("//button[contains(., 'Launch 1 run')]")
    (run,) = wait_until("a run is launched", lambda: _runs(served) - before, seconds=60)
    wait_until("the run ends", lambda: run_status(served.server, run) in ENDED, seconds=120)
    assert run_status(served.server, run) == "SUCCESS"


def _runs(served: Served) -> set[str]:
    found = served.server.ask("{ runsOrError { ... on Runs { results { runId } } } }")
    return {run["runId"] for run in found["runsOrError"]["results"]}
