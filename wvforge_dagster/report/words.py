"""Sizes, times and names as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from wvforge_dagster.core.state import State
from wvforge_dagster.report.model import Variant

DIMENSION_NAMES = {"cuda": "CUDA", "python": "Python"}

MEANING: Mapping[State, str] = {
    State.PUBLISHED: "made from exactly these inputs, and listed by every target that it goes to",
    State.STAGED: "the same, but a target does not list it yet",
    State.STALE: "the last one was made from other inputs",
    State.WAITING: "a package that it builds against is to be rebuilt first",
    State.MISSING: "never built",
    State.BUILDING: "being built now",
    State.FAILED: "its last build, a test or a check failed",
    State.BLOCKED: "a package that it needs cannot be built",
    State.UNSOLVABLE: "an environment cannot be solved",
    State.SKIPPED: "the recipe does not take this variant",
    State.ELSEWHERE: "built on a machine of another platform, and not up to date",
    State.RETIRED: "published, but not in the forge any more",
}
"""What each state means, in one line; docs/status.md says more."""


def size(value: int) -> str:
    """Bytes: ``787.6 kB``."""
    amount = float(value)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.2f} GB"


def seconds(value: float) -> str:
    """A duration: ``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if value < 9.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    minutes = round(value / 60)
    return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")


def phases(found: Mapping[str, float]) -> list[tuple[str, float]]:
    """The phases of an attempt that took a tenth of a second at least, in the order in which they come."""
    order = ("render", "solve and build", "script", "test")
    known = [name for name in order if name in found] + [name for name in found if name not in order]
    return [(name, found[name]) for name in known if found[name] >= 0.05]


def day(value: datetime) -> str:
    """``2026-11-24``."""
    return value.astimezone(UTC).strftime("%Y-%m-%d")


@lru_cache(maxsize=4096)
def moment(value: datetime) -> str:
    """``2026-11-24 05:47 UTC``."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def column_name(values: Mapping[str, str]) -> str:
    """``CUDA 13.0, Python 3.12``; of no values ``all columns``."""
    return ", ".join(f"{DIMENSION_NAMES.get(name, name)} {value}" for name, value in values.items()) or "all columns"


def plural(count: int, word: str) -> str:
    """``1 package``, ``2 packages``."""
    return f"{count:,} {word}" + ("" if count == 1 else "es" if word.endswith("x") else "s")


def variant_name(package: str, partition: str | None) -> str:
    """As the command line shows it: ``numcu[13.0|3.12]``."""
    return f"{package}[{partition}]" if partition else package


def made_from(variant: Variant) -> str:
    """The hashes of a package variant's files and the parts of its inputs, a line each, as `wvforge explain` prints them."""
    lines = [f"{file.filename}: sha256 {file.sha256}\n  content: {file.content}" for file in variant.files]
    lines += [f"input digest: {variant.input_digest}"] if variant.input_digest else []
    return "\n".join([*lines, *(f"  {part.name}: {part.value}" for part in variant.inputs)])
