"""Columns as wholes: how far their package variants are, and which of them wait for the others.

A package without partitions belongs to every column, one with a single dimension to all columns of its value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from wvforge_dagster.core.catalog import Catalog, VariantId
from wvforge_dagster.core.columns import matches
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.state import NOT_MADE_HERE, UP_TO_DATE, Status

WAITS = "waits for its column"
"""How the reason of what lacks nothing else begins."""


@dataclass(frozen=True)
class Column:
    """How far a column is.

    Attributes:
        key: its values, such as ``12.8|3.12``; empty in a forge without dimensions.
        passed: its package variants that are up to date and held by nothing, in dependency order.
        lacking: the others, except for those that recipes skip, and those that are built on another machine.
    """

    key: str
    passed: tuple[Status, ...]
    lacking: tuple[Status, ...]

    @property
    def progress(self) -> str:
        return f"{len(self.passed)} of {len(self.passed) + len(self.lacking)}"


def column_of(catalog: Catalog, statuses: Mapping[VariantId, Status], key: str) -> Column:
    """A column of the forge, by its key.

    Raises:
        ForgeError: if there is no such column.
    """
    try:
        values = catalog.dimensions.split(key)
    except ValueError:
        keys = [repr(other) for other in catalog.dimensions.keys() if other]
        known = f"it has {', '.join(keys)}" if keys else "it has no dimensions: name no column"
        raise ForgeError(f"the forge has no column {key!r}" if key else "name a column", remedy=known) from None
    members = [
        statuses[identity]
        for identity in catalog.variants
        if matches(catalog.packages[identity.package].dimensions.split(identity.partition), values)
    ]
    return Column(
        key,
        tuple(status for status in members if _has_passed(status)),
        tuple(status for status in members if not _has_passed(status) and status.state not in NOT_MADE_HERE),
    )


def _has_passed(status: Status) -> bool:
    return status.state in UP_TO_DATE and not status.held


def waiting_for_columns(catalog: Catalog, statuses: Mapping[VariantId, Status]) -> dict[VariantId, Status]:
    """The statuses of those that lack nothing but the rest of their column, with how far that is."""
    waiting = [status for status in statuses.values() if status.reason == WAITS]
    columns = [column_of(catalog, statuses, key) for key in catalog.dimensions.keys()] if waiting else []
    found = {}
    for status in waiting:
        mine = [column for column in columns if any(other.id == status.id for other in column.passed)]
        nearest = min(mine, key=lambda column: len(column.lacking))
        name = f" {nearest.key}" if len(mine) > 1 else ""
        reason = f"{WAITS}{name}: {nearest.progress} passed"
        if not nearest.lacking:
            reason += "; wvforge channel promote" + (f" '{nearest.key}'" if nearest.key else "")
        found[status.id] = replace(status, reason=reason)
    return found
