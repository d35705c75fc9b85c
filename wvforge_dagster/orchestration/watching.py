"""What a tick of the sensor of changed recipes asks for: pure decisions over statuses. Dagster's part is in `sensors`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from wvforge_dagster.core.catalog import Catalog, VariantId
from wvforge_dagster.core.derive import is_failed_upload
from wvforge_dagster.core.failure import Failure
from wvforge_dagster.core.state import TO_BUILD, State, Status

REQUESTED = frozenset({State.STALE, State.MISSING, State.WAITING, State.STAGED})


@dataclass(frozen=True)
class Request:
    """One run: package variants of one partition, with what each is to be made from (`Status.want`) and why."""

    partition: str
    wants: Mapping[VariantId, str]
    reasons: Mapping[VariantId, str]

    @property
    def reason(self) -> str:
        """The reasons in one line: of each package that does not only follow another one."""
        return "; ".join(f"{identity.package}: {reason}" for identity, reason in self.reasons.items())


def requests(
    catalog: Catalog,
    statuses: Mapping[VariantId, Status],
    failures: Mapping[VariantId, Failure],
    busy: Set[VariantId],
    settled: Mapping[VariantId, str],
) -> tuple[Request, ...]:
    """The runs to ask for, one for each column: exactly what is stale or missing, with what depends on it in that column.

    What needs a package of another column's run waits for a later tick: only then is it known whether it has to be built.

    Args:
        busy: package variants that a queued or running run is to make.
        settled: for each package variant the want for which it was asked last; nothing is asked for twice.
    """
    open_ones = {
        identity: status
        for identity, status in statuses.items()
        if identity in catalog.variants and _is_to_be_made(status, failures.get(identity))
    }
    groups: dict[tuple[tuple[str, ...], str], dict[VariantId, None]] = {}
    for identity, status in open_ones.items():
        if identity in busy or settled.get(identity) == status.want:
            continue
        group = (catalog.packages[identity.package].dimensions.names, identity.partition)
        mine = groups.setdefault(group, {})
        if all(_is_ready(other, statuses, mine, open_ones) for other in _needs(catalog, identity)):
            mine[identity] = None
    return tuple(
        Request(
            partition,
            {identity: statuses[identity].want for identity in members},
            {i: statuses[i].reason for i in members if statuses[i].state is not State.WAITING}
            or {i: statuses[i].reason for i in members},
        )
        for (_, partition), members in groups.items()
        if members
    )


def _is_to_be_made(status: Status, failure: Failure | None) -> bool:
    if status.state is State.STAGED:
        failed = failure is not None and is_failed_upload(failure, status)
        return bool(status.goes_to) and not failed
    return status.state in REQUESTED


def _needs(catalog: Catalog, identity: VariantId) -> Iterable[VariantId]:
    return catalog.variants[identity].needs


def _is_ready(
    other: VariantId,
    statuses: Mapping[VariantId, Status],
    mine: Mapping[VariantId, None],
    open_ones: Mapping[VariantId, Status],
) -> bool:
    """Whether what is needed is there, or is made by the same run before."""
    if other in mine:
        return True
    return statuses[other].state not in TO_BUILD or (statuses[other].is_settled and other not in open_ones)
