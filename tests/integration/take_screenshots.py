"""Takes the README's pictures; from the project's folder:

.venv/bin/python -m tests.integration.take_screenshots [--forge examples/embedded] [--to docs/screenshots] [--only report]

Those of Dagster's UI are of a forge that is built; those of the report are of a forge in the middle of a CUDA migration, which
is built for them (`showcase_forge`).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from integration.browser import Browser, browser, missing_programs
from integration.commands import EMBEDDED_FORGE, PROJECT, run
from integration.dagster_assets import asset_nodes, names_of
from integration.dagster_server import DagsterServer, dagster_server
from integration.pages import open_graph, open_partition
from integration.png_text import add_text
from integration.showcase_forge import NEW, make_showcase_forge, showcase_in_words

FOLDER = PROJECT / "docs" / "screenshots"
GRAPH, PARTITIONS = "asset-graph.png", "partitions.png"
REPORT_PAGES = {
    "report-matrix.png": ("index.html", 860),
    "report-timeline.png": ("timeline.html", 620),
    "report-migration.png": (f"migration/{NEW}.html", 760),
}
"""Pictures of the report: of which page, and how high."""
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


def take_report_screenshots(site: Path, folder: Path) -> dict[str, Taken]:
    """Take the pictures of a report; returns what they show, by file name."""
    taken = {}
    for name, (page, height) in REPORT_PAGES.items():
        with browser(1280, height) as window:
            window.open((site / page).as_uri())
            window.wait_until_still()
            window.screenshot(folder / name)
            taken[name] = Taken(window.text(), showcase_in_words())
        add_text(folder / name, SHOWS, taken[name].shows)
    return taken


def report_of_showcase(root: Path) -> Path:
    """Build the showcase forge in a new folder, and write its report; returns the site's folder."""
    make_showcase_forge(root)
    done = run("wvforge", "--forge", str(root), "report")
    assert done.returncode == 0, done.stdout
    return root / "output" / "report"


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
    parser = argparse.ArgumentParser(description="Takes the README's pictures.")
    parser.add_argument("--forge", type=Path, default=EMBEDDED_FORGE, help="a forge that is built, for Dagster's UI")
    parser.add_argument("--to", type=Path, default=FOLDER, help="the folder for the pictures")
    parser.add_argument("--only", choices=("dagster", "report"), help="not the others")
    arguments = parser.parse_args()
    lacking = missing_programs()
    if lacking:
        print(lacking, file=sys.stderr)
        return 1
    names: list[str] = []
    with tempfile.TemporaryDirectory(prefix="wvforge-server-") as folder:
        if arguments.only != "report":
            with dagster_server(arguments.forge.resolve(), Path(folder) / "server.log") as server:
                names += take_screenshots(server, arguments.to)
        if arguments.only != "dagster":
            names += take_report_screenshots(report_of_showcase(Path(folder) / "showcase"), arguments.to)
    for name in names:
        print(f"{arguments.to / name}: {(arguments.to / name).stat().st_size // 1000} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
