"""The states of a forge as rows: one form for the table, for Markdown and for JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TypedDict

from wvforge_dagster.core.catalog import Catalog, VariantId
from wvforge_dagster.core.classes import PackageClass
from wvforge_dagster.core.gpu import GpuState
from wvforge_dagster.core.state import UP_TO_DATE, State, Status

Row = TypedDict(
    "Row",
    {
        "package": str,
        "partition": str | None,
        "platform": str,
        "state": str,
        "reason": str,
        "filename": str | None,
        "sha256": str | None,
        "channel": str | None,
        "gpu": str | None,
        "class": str,
        "class_reason": str | None,
        "new_release": str | None,
    },
)
"""One package variant in ``wvforge status --json``. The names and meanings of these keys do not change.

`partition` is null for a package without variants. `platform` is the one that it is built on. `filename`, `sha256` and
`channel` are null where there is no package yet; of a recipe with several outputs they are joined by a blank. `channel` holds
the labels of the publish targets that list exactly this file, joined by a blank, or ``staging``. `gpu` is the state of its GPU
tests (``pending``, ``passed``, ``failed``), null where the recipe has none. `class_reason` is null for a package that is in no
class but ``light``. `new_release` is the newest release of its source, where the recipe is older and one was found (`updates`).
"""


def rows(
    statuses: Iterable[Status],
    class_of: Callable[[str], PackageClass],
    home: str = "linux-64",
    releases: Mapping[str, str] | None = None,
) -> list[Row]:
    """The rows of these statuses, in their order.

    Args:
        home: the forge's first platform.
        releases: the new releases of packages, by their names.
    """
    known = releases or {}
    return [_row(status, class_of(status.id.package), home, known.get(status.id.package)) for status in statuses]


def _row(status: Status, package_class: PackageClass, home: str, release: str | None) -> Row:
    artifacts = status.artifacts
    return {
        "package": status.id.package,
        "partition": status.id.partition or None,
        "platform": status.id.package.rpartition("/")[0] or home,
        "state": status.state.value,
        "reason": status.reason,
        "filename": " ".join(artifact.filename for artifact in artifacts) or None,
        "sha256": " ".join(artifact.sha256 for artifact in artifacts) or None,
        "channel": (" ".join(status.channels) or "staging") if artifacts else None,
        "gpu": status.gpu.value if status.gpu else None,
        "class": package_class.name,
        "class_reason": package_class.reason or None,
        "new_release": release,
    }


def markdown(found: Iterable[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| package | partition | state | reason | file | channel |", "| --- | --- | --- | --- | --- | --- |"]
    for row in found:
        name = row["package"] + (f" (new release {row['new_release']})" if row["new_release"] else "")
        cells = (name, row["partition"], row["state"], row["reason"], row["filename"], row["channel"])
        lines.append("| " + " | ".join((cell or "").replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def counts(statuses: Mapping[VariantId, Status]) -> str:
    """``5 published, 1 failed``: how many package variants are in each state."""
    found = Counter(status.state for status in statuses.values())
    return ", ".join(f"{found[state]} {state}" for state in State if found[state]) or "no packages"


def gpu_counts(statuses: Mapping[VariantId, Status]) -> str:
    """``GPU tests: 3 pending, 1 failed``; empty if all have passed that there are."""
    found = Counter(status.gpu for status in statuses.values() if status.state in UP_TO_DATE)
    parts = [f"{found[state]} {state}" for state in (GpuState.PENDING, GpuState.FAILED) if found[state]]
    return f"GPU tests: {', '.join(parts)} (wvforge gpu-test, on a machine with a GPU)" if parts else ""


def graph_lines(catalog: Catalog, machine: str = "linux-64") -> list[str]:
    """The levels of a forge, and what each package needs.

    Args:
        machine: the platform that is built on here.
    """
    lines = []
    for level, names in enumerate(catalog.levels()):
        lines.append(f"level {level}")
        for name in names:
            package = catalog.packages[name]
            needs = ", ".join(f"{other} ({'/'.join(sections)})" for other, sections in package.needs)
            columns = " x ".join(f"{len(values)} {dimension}" for dimension, values in package.dimensions.values)
            where = f"  ({package.platform}: elsewhere)" if package.platform != machine else ""
            fault = f"  FAULT {package.fault}" if package.fault else ""
            lines.append(
                f"  {name}" + (f"  [{columns}]" if columns else "") + (f"  <- {needs}" if needs else "") + where + fault
            )
    return lines
