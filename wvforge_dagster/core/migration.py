"""Columns that are on their way: how far each is, what stands in its way, and what of that would set most free."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from wvforge_dagster.core.catalog import Catalog, VariantId
from wvforge_dagster.core.columns import Dimensions, matches
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.state import UP_TO_DATE, State, Status

_MISSING = re.compile(r"(\S+) is missing upstream|No candidates were found for ([^\s;,()]*[^\s;,().])")

GROUPS: Mapping[str, frozenset[State]] = {
    "published": UP_TO_DATE,
    "building": frozenset({State.BUILDING}),
    "waiting": frozenset({State.STALE, State.MISSING, State.WAITING}),
    "failed": frozenset({State.FAILED}),
    "unsolvable": frozenset({State.UNSOLVABLE}),
    "blocked": frozenset({State.BLOCKED}),
    "skipped": frozenset({State.SKIPPED}),
}
"""Where the package variants of a column stand, in few words, with the states that count there."""


@dataclass(frozen=True)
class Obstacle:
    """Something that only people can take out of the way.

    Attributes:
        kind: ``missing``: no channel has a package of this name; ``failed``: the forge's own package of this name fails, or
            cannot be solved for another reason.
        reason: of the first of `stuck`.
        stuck: what it stops itself.
        holds_up: what would go on without it, `stuck` included, in dependency order.
        alone: those of `holds_up` that nothing else holds up.
    """

    kind: str
    name: str
    reason: str
    stuck: tuple[VariantId, ...]
    holds_up: tuple[VariantId, ...]
    alone: tuple[VariantId, ...]


@dataclass(frozen=True)
class Migration:
    """How far all columns of some values are.

    Attributes:
        key: the key of a column (``13.0|3.12``) or one value of a dimension (``13.0``); empty in a forge without dimensions.
        values: the value of each dimension that is meant.
        groups: the statuses of each of `GROUPS`, in dependency order; each group is there.
        obstacles: those that hold up most come first.
    """

    key: str
    values: Mapping[str, str]
    groups: Mapping[str, tuple[Status, ...]]
    obstacles: tuple[Obstacle, ...]


def migration_keys(dimensions: Dimensions) -> dict[str, Mapping[str, str]]:
    """What can be followed: each value of a dimension by itself, and each column; by key, with their values."""
    found: dict[str, Mapping[str, str]] = {}
    for name, values in dimensions.values:
        for value in values:
            found.setdefault(value, {name: value})
    for key in dimensions.keys():
        found.setdefault(key, dimensions.split(key))
    return found


def find_values(dimensions: Dimensions, key: str) -> Mapping[str, str]:
    """The values that a key of `migration_keys` means.

    Raises:
        ForgeError: if the forge has no such column or value.
    """
    known = migration_keys(dimensions)
    if key not in known:
        names = ", ".join(repr(name) for name in known if name)
        remedy = f"it has {names}" if names else "it has no dimensions"
        raise ForgeError(f"the forge has no column {key!r}", remedy=remedy)
    return known[key]


def migration_of(catalog: Catalog, statuses: Mapping[VariantId, Status], key: str) -> Migration:
    """How far the columns that a key means are. Packages without partitions belong to every column.

    Raises:
        ForgeError: if the forge has no such column or value.
    """
    values = find_values(catalog.dimensions, key)
    members = [
        statuses[identity]
        for identity in catalog.variants
        if matches(catalog.packages[identity.package].dimensions.split(identity.partition), values)
    ]
    groups = {name: tuple(status for status in members if status.state in states) for name, states in GROUPS.items()}
    return Migration(key, values, groups, _obstacles(catalog, members))


def missing_upstream(reason: str) -> str | None:
    """The package that no channel has, by the reason of an unsolvable package variant; None if that names none."""
    found = _MISSING.search(reason)
    return (found.group(1) or found.group(2)) if found else None


def _obstacles(catalog: Catalog, members: Iterable[Status]) -> tuple[Obstacle, ...]:
    unfinished = {status.id: status for status in members if status.state not in UP_TO_DATE | {State.SKIPPED}}
    stuck: dict[tuple[str, str], list[Status]] = defaultdict(list)
    for status in unfinished.values():
        if status.state in (State.FAILED, State.UNSOLVABLE):
            stuck[_cause(status)].append(status)
    held = _held_up(catalog, unfinished, {s.id: cause for cause, found in stuck.items() for s in found})
    obstacles = []
    for cause, found in stuck.items():
        mine = tuple(identity for identity in unfinished if cause in held[identity])
        alone = tuple(identity for identity in mine if len(held[identity]) == 1)
        obstacles.append(Obstacle(*cause, found[0].reason, tuple(status.id for status in found), mine, alone))
    return tuple(sorted(obstacles, key=lambda item: (-len(item.holds_up), -len(item.alone), item.name)))


def _cause(status: Status) -> tuple[str, str]:
    missing = missing_upstream(status.reason) if status.state is State.UNSOLVABLE else None
    return ("missing", missing) if missing else ("failed", status.id.package)


def _held_up(
    catalog: Catalog, unfinished: Collection[VariantId], causes: Mapping[VariantId, tuple[str, str]]
) -> dict[VariantId, set[tuple[str, str]]]:
    """What holds up each unfinished package variant, itself or through what it needs. The catalog is in dependency order."""
    held: dict[VariantId, set[tuple[str, str]]] = {}
    for identity, variant in catalog.variants.items():
        if identity in unfinished:
            held[identity] = {causes[identity]} if identity in causes else set()
            for other in variant.needs:
                held[identity] |= held.get(other, set())
    return held
