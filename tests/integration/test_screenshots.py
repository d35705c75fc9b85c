"""The README's pictures show what a reader who follows it will see."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration.browser import missing_programs
from integration.dagster_assets import asset_nodes
from integration.dagster_server import dagster_server
from integration.png_text import read_text, size
from integration.showcase_forge import showcase_in_words
from integration.take_screenshots import (
    FOLDER,
    GRAPH,
    PARTITIONS,
    REPORT_PAGES,
    SHOWS,
    graph_in_words,
    partitions_in_words,
    take_screenshots,
)

pytestmark = pytest.mark.integration

AGAIN = "take them again: python -m tests.integration.take_screenshots"


def test_the_screenshots_show_the_embedded_forge_as_it_is(embedded_forge: Path, tmp_path: Path) -> None:
    with dagster_server(embedded_forge, tmp_path / "server.log") as server:
        assert read_text(FOLDER / GRAPH, SHOWS) == graph_in_words(server), AGAIN
        assert read_text(FOLDER / PARTITIONS, SHOWS) == partitions_in_words(server, "numcu"), AGAIN
        if missing_programs():
            pytest.skip(f"the browser is {missing_programs()}: no new picture to compare with")
        taken = take_screenshots(server, tmp_path)
        packages = {path.parent.parent.name for path in (embedded_forge / "pkgs").glob("*/recipe/recipe.yaml")}
        assert packages <= set(asset_nodes(server))
    assert packages <= set(taken[GRAPH].page_text.splitlines())
    assert "Materialized (4)" in taken[PARTITIONS].page_text
    assert "Missing (0)" in taken[PARTITIONS].page_text
    for name in (GRAPH, PARTITIONS):
        assert size(FOLDER / name) == size(tmp_path / name), AGAIN
        assert (FOLDER / name).stat().st_size < 300_000


@pytest.mark.parametrize("name", REPORT_PAGES)
def test_the_pictures_of_the_report_are_of_the_showcase_forge_as_it_is(name: str) -> None:
    assert read_text(FOLDER / name, SHOWS) == showcase_in_words(), AGAIN
    assert size(FOLDER / name) == (1280, REPORT_PAGES[name][1]), AGAIN
    assert (FOLDER / name).stat().st_size < 300_000
