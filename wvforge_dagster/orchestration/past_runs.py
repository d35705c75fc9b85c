"""What Dagster's storage remembers of builds, as plain values. Losing it loses history, not truth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.timeline import Ran
from wvforge_dagster.orchestration.keys import BUILD_TAG, package_key
from wvforge_dagster.orchestration.run_worker import PACKAGE_TAG, PARTITION_TAG, REASON_TAG

MOST_ATTEMPTS = 24
"""Of one package variant."""

MOST_BUILDS = 5
_RUNS_AT_A_TIME = 500
_MOST_PAGES = 40
_SECONDS = "seconds: "
_ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


@dataclass(frozen=True)
class PastAttempt:
    """One time that a package variant was built or tested.

    Attributes:
        at: seconds since 1970.
        seconds: by phase.
        size: of all its files, in bytes; None if that is not known.
        log: where Dagster's metadata says that the log is.
    """

    id: VariantId
    at: float
    outcome: str
    seconds: Mapping[str, float]
    size: int | None
    run: str
    log: Path | None


def past_attempts(instance: dg.DagsterInstance, package: str, partitions: int) -> tuple[PastAttempt, ...]:
    """The last attempts that made something of a package, the oldest first.

    Args:
        partitions: how many package variants it has.
    """
    found = instance.fetch_materializations(package_key(package), limit=MOST_ATTEMPTS * max(1, partitions)).records
    attempts = (_attempt(package, record) for record in reversed(found))
    return tuple(attempt for attempt in attempts if attempt is not None)


def known_packages(instance: dg.DagsterInstance) -> frozenset[str]:
    """Names of the packages that Dagster has something of."""
    return frozenset(key.path[0] for key in instance.get_asset_keys() if len(key.path) == 1)


def last_builds(instance: dg.DagsterInstance) -> Mapping[str, tuple[Ran, ...]]:
    """The ended runs of the last calls of ``wvforge build`` by the name of the call, the newest first."""
    builds: dict[str, list[Ran]] = defaultdict(list)
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        records = instance.get_run_records(limit=_RUNS_AT_A_TIME, cursor=cursor)
        for record in records:
            tags = record.dagster_run.tags
            name = tags.get(BUILD_TAG)
            if name is not None and (name in builds or len(builds) < MOST_BUILDS):
                builds[name] += _ran(record)
        # Builds may run side by side: what is older than a whole page without one of them is older than all.
        mine = any(record.dagster_run.tags.get(BUILD_TAG) in builds for record in records)
        if len(records) < _RUNS_AT_A_TIME or (len(builds) >= MOST_BUILDS and not mine):
            break
        cursor = records[-1].dagster_run.run_id
    return {name: tuple(runs) for name, runs in builds.items() if runs}


def _ran(record: dg.RunRecord) -> Iterable[Ran]:
    run, tags = record.dagster_run, record.dagster_run.tags
    if run.status in _ENDED and record.start_time is not None and record.end_time is not None:
        outcome = "done" if run.status is dg.DagsterRunStatus.SUCCESS else "failed"
        identity = VariantId(tags.get(PACKAGE_TAG, ""), tags.get(PARTITION_TAG, ""))
        yield Ran(identity, record.start_time, record.end_time, outcome, tags.get(REASON_TAG, ""))


def _attempt(package: str, record: dg.EventLogRecord) -> PastAttempt | None:
    event = record.asset_materialization
    if event is None:
        return None
    values = {key: value.value for key, value in event.metadata.items()}
    seconds = {
        key.removeprefix(_SECONDS): value
        for key, value in values.items()
        if key.startswith(_SECONDS) and isinstance(value, float | int)
    }
    if not seconds:
        # It was found up to date.
        return None
    sizes = [value for key, value in values.items() if key.endswith("size (bytes)") and isinstance(value, int)]
    log = values.get("log")
    return PastAttempt(
        VariantId(package, event.partition or ""),
        record.timestamp,
        _line(values.get("decision")),
        seconds,
        sum(sizes) if sizes else None,
        record.run_id,
        Path(log) if isinstance(log, str) else None,
    )


def _line(value: Any) -> str:
    return " ".join(str(value or "").split())
