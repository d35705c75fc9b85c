"""What a click on a cell of the matrix shows: files of data that the page loads when it needs them.

They are scripts, because a page that was opened from a folder may load scripts and nothing else. Keys are short and empty
values left out: a forge of 1,000 recipes in 12 columns has 12,000 of these. docs/report.md says what report.json has.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from wvforge_dagster.report.model import Package, Report, Variant

PACKAGES_EACH = 40

PHASES = ("render", "solve and build", "script", "test")


def chunks(report: Report) -> dict[str, int]:
    """For each package the number of the file with its details."""
    return {package.name: position // PACKAGES_EACH for position, package in enumerate(report.packages)}


def detail_files(report: Report) -> Iterator[tuple[str, str]]:
    """The files by their names in the site."""
    for number in range(0, len(report.packages), PACKAGES_EACH):
        said = _Said()
        packages = {
            package.page: _package(package, said) for package in report.packages[number : number + PACKAGES_EACH]
        }
        text = json.dumps([packages, said.values, PHASES], ensure_ascii=True, separators=(",", ":"))
        yield f"data/{number // PACKAGES_EACH}.js", f"wvforgeDetails({text});\n"


class _Said:
    """Values that many package variants share, each once; a package variant has its number."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}

    def number(self, value: str | tuple[str, ...]) -> int:
        return self._numbers.setdefault(value, len(self._numbers))

    @property
    def values(self) -> list[Any]:
        return list(self._numbers)


def _package(package: Package, said: _Said) -> list[Any]:
    """The package's name, where its logs lie, and its variants by partition."""
    logs = f"logs/{package.name}/"
    return [package.name, logs, {item.partition or "": _variant(item, logs, said) for item in package.variants}]


def _variant(variant: Variant, logs: str, said: _Said) -> Mapping[str, Any]:
    last = variant.last
    value = {
        "r": said.number(variant.reason),
        "h": said.number(variant.channels),
        "t": said.number((*variant.tests, "passed") if variant.tests and variant.tested else variant.tests),
        "a": said.number(variant.architectures),
        "c": [[change.where, change.what, change.old, change.new] for change in variant.changes],
        "f": [
            [file.filename, file.size, file.sha256, int(file.built.timestamp()) if file.built else 0]
            for file in variant.files
        ],
        "s": [int(last.at.timestamp()), *(round(last.seconds.get(phase, 0), 1) for phase in PHASES)] if last else None,
        "l": variant.log.removeprefix(logs) if variant.log and variant.log.startswith(logs) else None,
        "e": variant.last_lines,
    }
    return {key: item for key, item in value.items() if item or item == 0}
