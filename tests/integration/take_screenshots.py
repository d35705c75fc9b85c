"""Takes the README's pictures of Dagster's UI, over a forge that is built; from the project's folder:

.venv/bin/python -m tests.integration.take_screenshots [--forge examples/embedded] [--to docs/screenshots]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from integration.browser import Browser, browser, missing_programs
from integration.commands import EMBEDDED_FORGE, PROJECT
from integration.dagster_assets import asset_nodes, names_of
from integration.dagster_server import DagsterServer, dagster_server
from integration.pages import open_graph, open_partition
from integration.png_text import add_text

FOLDER = PROJECT / "docs" / "screenshots"
GRAPH, PARTITIONS = "asset-graph.png", "partitions.png"
SHOWS = "Shows"
"""Keyword of the text in a picture that says what it shows; see `Taken.shows`."""


@dataclass(frozen=True)
class Taken:
    """A picture.

    Attributes:
        page_text: all text of the page that it was taken of.
        shows: what a reader is to learn from it, in a form that can be compared.
    """

    page_text: str
    shows: str


def take_screenshots(server: DagsterServer, folder: Path, *, asset: str = "numcu") -> dict[str, Taken]:
    """Take all pictures into `folder`; returns what they show, by file name."""
    with browser(1600, 900) as window:
        taken = {
            GRAPH: _take_graph(window, server, folder),
            PARTITIONS: _take_partitions(window, server, folder, asset),
        }
    for name, picture in taken.items():
        add_text(folder / name, SHOWS, picture.shows)
    return taken


def graph_in_words(server: DagsterServer) -> str:
    """The packages by level with what each needs: ``level_1 setuptools-scm <- vcs-versioning``."""
    nodes = {name: node for name, node in asset_nodes(server).items() if not name.startswith("upload/")}
    lines = []
    for name, node in nodes.items():
        needs = " ".join(sorted(names_of(node["dependencyKeys"])))
        lines.append(f"{node['groupName']} {name}" + (f" <- {needs}" if needs else ""))
    return "\n".join(sorted(lines))


def partitions_in_words(server: DagsterServer, asset: str) -> str:
    """The partitions of an asset: ``numcu: 13.0|3.12 13.0|3.13``."""
    return f"{asset}: {' '.join(asset_nodes(server)[asset]['partitionKeys'])}"


def _take_graph(window: Browser, server: DagsterServer, folder: Path) -> Taken:
    nodes = {name: node for name, node in asset_nodes(server).items() if not name.startswith("upload/")}
    levels = len({node["groupName"] for node in nodes.values()})
    open_graph(window, server, levels=levels, packages=nodes)
    # The words beside the icons cost a fifth of the width. The page fits the graph to what is left when it is opened.
    window.click("//*[normalize-space(text())='Hide navigation']")
    text = open_graph(window, server, levels=levels, packages=nodes)
    window.wait_until_still()
    window.screenshot(folder / GRAPH)
    return Taken(text, graph_in_words(server))


def _take_partitions(window: Browser, server: DagsterServer, folder: Path, asset: str) -> Taken:
    cuda, python = asset_nodes(server)[asset]["partitionKeys"][0].split("|")
    text = open_partition(window, server, asset, cuda, python)
    window.wait_until_still()
    window.screenshot(folder / PARTITIONS)
    return Taken(text, partitions_in_words(server, asset))


def main() -> int:
    parser = argparse.ArgumentParser(description="Takes the README's pictures of Dagster's UI over a built forge.")
    parser.add_argument("--forge", type=Path, default=EMBEDDED_FORGE, help="a forge that is built")
    parser.add_argument("--to", type=Path, default=FOLDER, help="the folder for the pictures")
    arguments = parser.parse_args()
    lacking = missing_programs()
    if lacking:
        print(lacking, file=sys.stderr)
        return 1
    with (
        tempfile.TemporaryDirectory(prefix="wvforge-server-") as log,
        dagster_server(arguments.forge.resolve(), Path(log) / "server.log") as server,
    ):
        for name in take_screenshots(server, arguments.to):
            print(f"{arguments.to / name}: {(arguments.to / name).stat().st_size // 1000} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
