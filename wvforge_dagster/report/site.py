"""The report as files: a site that is read from a folder or from any web server."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator
from functools import cache

from wvforge_dagster.report.details import chunks, detail_files
from wvforge_dagster.report.graph_drawing import draw_graph
from wvforge_dagster.report.markdown import migration_markdown
from wvforge_dagster.report.matrix import make_matrix
from wvforge_dagster.report.model import Migration, Package, Report
from wvforge_dagster.report.plots import seconds_plot, size_plot
from wvforge_dagster.report.templating import render
from wvforge_dagster.report.timeline_drawing import draw_lanes

DATA = "report.json"
STATIC = ("report.css", "report.js")
FOLDERS = ("package", "migration", "data")
"""Of the site: what lies in them and was not written now is of an older report."""


def site_files(report: Report, *, logs: str | None) -> Iterator[tuple[str, str]]:
    """Each file's name in the site, and its text; the data and what pages refer to come before them.

    Args:
        logs: the address of the forge's output folder from the site's, ending in ``/``; None if logs cannot be read there.
    """
    yield DATA, report.model_dump_json(indent=1) + "\n"
    for name in STATIC:
        yield f"static/{name}", static(name)
    yield from detail_files(report)
    packages = {package.name: package for package in report.packages}
    for package in report.packages:
        yield f"package/{package.page}.html", _package_page(report, package, packages, logs)
    for migration in report.migrations:
        yield f"migration/{migration.page}.html", _migration_page(report, migration, packages)
        yield f"migration/{migration.page}.md", migration_markdown(report, migration)
    yield "migrations.html", render("migrations.html", report=report, base="")
    yield "timeline.html", _timeline_page(report, packages)
    matrix = make_matrix(report, chunks(report))
    yield "index.html", render("matrix.html", report=report, base="", matrix=matrix, packages=packages, logs=logs)


@cache
def static(name: str) -> str:
    """A file that all pages share."""
    return importlib.resources.files("wvforge_dagster.report").joinpath("static", name).read_text(encoding="utf-8")


def _package_page(report: Report, package: Package, packages: dict[str, Package], logs: str | None) -> str:
    return render(
        "package.html",
        report=report,
        base="../",
        package=package,
        packages=packages,
        graph=draw_graph(package, packages),
        plots=[plot for plot in (seconds_plot(package.history), size_plot(package.history)) if plot],
        logs=f"../{logs}" if logs is not None else None,
    )


def _migration_page(report: Report, migration: Migration, packages: dict[str, Package]) -> str:
    return render("migration.html", report=report, base="../", migration=migration, packages=packages)


def _timeline_page(report: Report, packages: dict[str, Package]) -> str:
    builds = [(build, draw_lanes(build)) for build in report.builds]
    return render("timeline.html", report=report, base="", builds=builds, packages=packages)
