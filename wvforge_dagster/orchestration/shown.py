"""What Dagster was last found to show as it is, so that nothing is asked of it again where nothing happened since.

To ask it for the partitions of one asset takes some thirty milliseconds, to read its records of a thousand recipes some
seconds. The book is in Dagster's own storage, and goes with it. Losing it costs these questions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import dagster as dg

from wvforge_dagster.core.digest import digest

if TYPE_CHECKING:
    from dagster._core.storage.event_log.base import AssetEntry

_CURSOR = "wvforge/shown"


@dataclass(frozen=True)
class Shown:
    """What is known of what Dagster shows.

    Attributes:
        marks: of each asset that was found to be shown as it is, by its key; see `mark_of`.
        wanted: digest over what was to be shown, when all of it was.
        last_event: number of the last event in Dagster's storage at that time.
    """

    marks: Mapping[str, str] = field(default_factory=dict, hash=False)
    wanted: str = ""
    last_event: int = 0


def read_shown(instance: dg.DagsterInstance) -> Shown:
    text = instance.daemon_cursor_storage.get_cursor_values({_CURSOR}).get(_CURSOR)
    try:
        return Shown(**json.loads(text or "{}"))
    except (ValueError, TypeError):
        return Shown()


def keep_shown(instance: dg.DagsterInstance, shown: Shown) -> None:
    instance.daemon_cursor_storage.set_cursor_values({_CURSOR: json.dumps(asdict(shown))})


def last_event(instance: dg.DagsterInstance) -> int:
    """Number of the last event that an asset had. That it was removed from Dagster's storage is none."""
    return instance.event_log_storage.get_maximum_record_id() or 0


def mark_of(entry: AssetEntry, partitions: Iterable[str]) -> str:
    """Changes wherever an asset may be shown otherwise than before: with its last materialization, with the last run that was
    to make it, and with the partitions that are looked at."""
    return digest([entry.last_materialization_storage_id, entry.last_run_id, sorted(partitions)])[:16]
