"""What a click on a cell of the matrix shows: files of data that the page loads when it needs them.

They are scripts, because a page that was opened from a folder may load scripts and nothing else. Keys are short and empty
values left out: a forge of 1,000 recipes in 12 columns has 12,000 of these. docs/report.md says what report.json has.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from wvforge_dagster.report import words
from wvforge_dagster.report.matrix import place_of
from wvforge_dagster.report.model import Package, Report, Variant

PACKAGES_EACH = 40


def chunks(report: Report) -> dict[str, int]:
    """For each package the number of the file with its details."""
    return {package.name: position // PACKAGES_EACH for position, package in enumerate(report.packages)}


def detail_files(report: Report) -> Iterator[tuple[str, str]]:
    """The files by their names in the site."""
    for number in range(0, len(report.packages), PACKAGES_EACH):
        packages = report.packages[number : number + PACKAGES_EACH]
        data = {package.page: _package(package) for package in packages}
        text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
        yield f"data/{number // PACKAGES_EACH}.js", f"wvforgeDetails({text});\n"


def _package(package: Package) -> dict[str, Any]:
    found = {place_of(variant): _variant(variant) for variant in package.variants}
    return {"n": package.name, "v": found}


def _variant(variant: Variant) -> Mapping[str, Any]:
    last = variant.last
    value = {
        "p": variant.partition,
        "r": variant.reason,
        "c": [[change.where, change.what, change.old, change.new] for change in variant.changes],
        "f": [
            [file.filename, words.size(file.size), file.sha256, words.moment(file.built) if file.built else ""]
            for file in variant.files
        ],
        "h": list(variant.channels),
        "t": list(variant.tests),
        "k": variant.tested,
        "a": list(variant.architectures),
        "s": {name: words.seconds(value) for name, value in words.phases(last.seconds)} if last else {},
        "w": words.moment(last.at) if last else "",
        "l": variant.log,
        "e": variant.last_lines,
    }
    return {key: item for key, item in value.items() if item}
