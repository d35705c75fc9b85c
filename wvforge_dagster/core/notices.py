"""What there is to tell of a forge: derived from states and failures, and from what was told before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass
from typing import NamedTuple

from wvforge_dagster.core.catalog import Catalog, VariantId
from wvforge_dagster.core.derive import is_failed_upload
from wvforge_dagster.core.digest import digest
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.promotion import Column, column_of
from wvforge_dagster.core.state import UP_TO_DATE, State, Status

MOST_LINES = 20
"""Of one notice."""

MOST_MARKS = 20
"""What is remembered of one package variant or column: the newest."""

_LONGEST_LINE = 300
_NAMED = 3
_DIGITS = 16

_AFTER_SOLVING = frozenset(
    {
        FailureClass.SCRIPT,
        FailureClass.TEST,
        FailureClass.CHECK,
        FailureClass.TIMEOUT,
        FailureClass.MEMORY,
        FailureClass.DISK,
        FailureClass.UPLOAD,
    }
)
"""What fails so could be solved."""


class Mark(NamedTuple):
    """What is remembered once it was told: an event of a package variant or column, and with which inputs or content."""

    event: str
    of: str
    what: str


@dataclass(frozen=True)
class Notice:
    """Something to tell.

    Attributes:
        event: one of `core.recipients.EVENTS`, or ``test``.
        title: one line.
        bad: whether somebody should do something about it.
        marks: what is remembered once it was told.
    """

    event: str
    title: str
    lines: tuple[str, ...]
    bad: bool = False
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True)
class Standing:
    """What may be told of a forge as it stands.

    Attributes:
        failures: with a line for each; the first of an input digest is told, and not its repetition.
        columns: those that are complete.
        solvable: the package variants that are known to be solvable now, with their states.
    """

    failures: tuple[tuple[Mark, str], ...]
    columns: tuple[tuple[Mark, str], ...]
    solvable: Mapping[str, State]


NOTHING = Standing((), (), {})
"""Nothing is known."""


def standing(catalog: Catalog, statuses: Mapping[VariantId, Status], failures: Mapping[VariantId, Failure]) -> Standing:
    """What there is to tell, to somebody who was never told anything."""
    failed: list[tuple[Mark, str]] = []
    solvable: dict[str, State] = {}
    for identity in catalog.variants:
        status, failure = statuses[identity], failures.get(identity)
        if status.state in UP_TO_DATE or (failure is not None and failure.failure_class in _AFTER_SOLVING):
            solvable[str(identity)] = status.state
        found = _failed(status, failure)
        if found is not None:
            failed.append(found)
    columns = [column_of(catalog, statuses, key) for key in catalog.dimensions.keys()]
    return Standing(tuple(failed), tuple(_complete(column) for column in columns if _is_complete(column)), solvable)


def _failed(status: Status, failure: Failure | None) -> tuple[Mark, str] | None:
    if status.broken and status.state is State.FAILED:
        mark = Mark("failure", str(status.id), f"{FailureClass.RENDER} {digest(status.reason)[:_DIGITS]}")
        return mark, f"{status.id} ({FailureClass.RENDER}): {status.reason}"
    if failure is None:
        return None
    if status.state in (State.FAILED, State.UNSOLVABLE):
        kind = State.UNSOLVABLE.value if status.state is State.UNSOLVABLE else str(failure.failure_class)
    elif status.state in UP_TO_DATE and is_failed_upload(failure, status):
        kind = str(failure.failure_class)
    else:
        return None
    # What was solved before its inputs were known has no digest of them.
    inputs = failure.want or failure.input_digest
    log = f"; log: {failure.log}" if failure.log else ""
    mark = Mark("failure", str(status.id), f"{failure.failure_class} {inputs[:_DIGITS]}")
    return mark, f"{status.id} ({kind}): {failure.reason}{log}"


def _is_complete(column: Column) -> bool:
    """Whether all of it is where it goes by itself: what reaches a target with its column only may wait for that."""
    waits = any(status.state is State.STAGED and status.goes_to for status in column.passed)
    return bool(column.passed) and not column.lacking and not waits


def _complete(column: Column) -> tuple[Mark, str]:
    content = sorted(artifact.sha256 for status in column.passed for artifact in status.artifacts)
    name = f"column {column.key}" if column.key else "all of it"
    line = f"{name}: {len(column.passed)} of {len(column.passed)} package variants are up to date"
    if any(status.with_column for status in column.passed):
        line += "; to publish it: wvforge channel promote" + (f" '{column.key}'" if column.key else "")
    return Mark("column", column.key, digest(content)[:_DIGITS]), line


def news(forge: str, now: Standing, told: Set[Mark]) -> tuple[Notice, ...]:
    """What is to be told now to somebody who was told `told`, one notice for each event.

    Args:
        forge: how the forge is called.
    """
    failed = [(mark, line) for mark, line in now.failures if mark not in told]
    complete = [(mark, line) for mark, line in now.columns if mark not in told]
    solvable = [
        (mark, f"{mark.of}: could not be solved, and can be now; it is {now.solvable[mark.of]}")
        for mark in _unsolvable_once(told)
        if mark.of in now.solvable and mark not in told
    ]
    return tuple(
        notice
        for notice in (
            _notice("failure", f"{forge}: {_count(failed, 'package variant')} failed", failed, bad=True),
            _notice("column", f"{forge}: {_count(complete, 'column')} complete", complete),
            _notice("solvable", f"{forge}: {_count(solvable, 'package variant')} can be solved now", solvable),
        )
        if notice.lines
    )


def _unsolvable_once(told: Iterable[Mark]) -> Iterable[Mark]:
    """What would be remembered if what was told to be unsolvable were told to be solvable."""
    return (
        Mark("solvable", mark.of, mark.what)
        for mark in sorted(told)
        if mark.event == "failure" and mark.what.startswith(f"{FailureClass.SOLVE} ")
    )


def _count(found: Collection[object], noun: str) -> str:
    return f"{len(found)} {noun}{'' if len(found) == 1 else 's'}"


def _notice(event: str, title: str, found: list[tuple[Mark, str]], *, bad: bool = False) -> Notice:
    lines = [_short(line) for line in dict.fromkeys(line for _, line in found)]
    if len(lines) > MOST_LINES:
        lines[MOST_LINES - 1 :] = [f"and {len(lines) - MOST_LINES + 1} more: wvforge status"]
    return Notice(event, title, tuple(lines), bad, tuple(mark for mark, _ in found))


def _short(line: str) -> str:
    line = " ".join(line.split())
    return line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 4]} ..."


def remembered(marks: Iterable[Mark]) -> tuple[Mark, ...]:
    """What is kept of marks, the oldest first: the newest of each package variant or column."""
    by_subject: dict[tuple[str, str], list[Mark]] = defaultdict(list)
    for mark in dict.fromkeys(marks):
        by_subject[mark[:2]].append(mark)
    return tuple(mark for found in by_subject.values() for mark in found[-MOST_MARKS:])


def night_notice(
    forge: str,
    before: Mapping[VariantId, Status],
    after: Mapping[VariantId, Status],
    bad: Iterable[Status],
    seconds: float,
) -> Notice:
    """The nightly run in five lines.

    Args:
        before: the statuses before it built.
        bad: what is not as it was wanted.
    """

    def files(statuses: Mapping[VariantId, Status], identity: VariantId) -> set[str]:
        status = statuses.get(identity)
        return {item.sha256 for item in status.artifacts} if status and status.state in UP_TO_DATE else set()

    built = [identity for identity in after if not files(after, identity) <= files(before, identity)]
    published = [
        identity
        for identity, status in after.items()
        if status.state is State.PUBLISHED
        and (identity in built or identity not in before or before[identity].state is not State.PUBLISHED)
    ]
    stuck = {state: [s.id for s in bad if s.state is state] for state in (State.UNSOLVABLE, State.BLOCKED)}
    failed = [status.id for status in bad if status.state not in stuck]
    title = f"{forge}: nightly run" + (f", {len(failed)} failed" if failed else "")
    lines = (
        _group("built", built),
        _group("published", published),
        _group("failed", failed),
        "; ".join(_group(str(state), found) for state, found in stuck.items()),
        f"took {_duration(seconds)}",
    )
    return Notice("nightly", title, lines, bad=any(bad))


def unfinished_night_notice(forge: str, fault: str) -> Notice:
    """The nightly run ended before its end."""
    return Notice("nightly", f"{forge}: the nightly run did not finish", (_short(fault),), bad=True)


def _group(name: str, found: Collection[VariantId]) -> str:
    shown = ", ".join(str(identity) for identity in list(found)[:_NAMED])
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"{name}: {len(found)}" + (f" ({shown}{more})" if found else "")


def _duration(seconds: float) -> str:
    minutes = int(seconds) // 60
    if not minutes:
        return f"{int(seconds)} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
