"""Which package variants a build has to make, in which order, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wvforge_dagster.core.catalog import Catalog, VariantId
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.reach import reached
from wvforge_dagster.core.state import NOT_MADE_HERE, State, Status
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk

PASSING = frozenset(
    {FailureClass.FETCH, FailureClass.SOLVE, FailureClass.UPLOAD, FailureClass.INTERRUPTED, FailureClass.OTHER}
)
"""Failures that may have passed by themselves: tried again by every build. The others belong to the inputs."""


@dataclass(frozen=True)
class Plan:
    """Package variants to make, and what each has to wait for among them.

    Attributes:
        waits_for: for each package variant to make, those of the plan that it needs.
        reasons: why each is made.
        given_up: those that failed with the inputs that they still have, and are not tried again.
        selected: everything that the user asked for, whether there is something to do or not.
    """

    waits_for: Mapping[VariantId, frozenset[VariantId]]
    reasons: Mapping[VariantId, str]
    given_up: frozenset[VariantId]
    selected: tuple[VariantId, ...]


def select(
    catalog: Catalog, packages: Iterable[str], python: Iterable[str], cuda: Iterable[str]
) -> tuple[VariantId, ...]:
    """The package variants that a user names, with everything that they need, in dependency order.

    Args:
        packages: names of packages or of outputs; none for all.
        python: values of the python dimension; none for all.
        cuda: values of the cuda dimension; none for all.

    Raises:
        ForgeError: for a package or a value that the forge does not have.
    """
    wanted_values = {"python": tuple(python), "cuda": tuple(cuda)}
    known = dict(catalog.dimensions.values)
    for name, values in wanted_values.items():
        for value in values:
            if value not in known.get(name, ()):
                has = ", ".join(known.get(name, ())) or "none"
                raise ForgeError(f"no column {value!r}", where=f"--{name}", remedy=f"the forge has {has}")
    names = []
    for name in packages:
        owner = catalog.provider.get(name)
        if owner is None:
            raise ForgeError(f"no package {name!r} in this forge", remedy=f"it has {', '.join(catalog.packages)}")
        names.append(owner)
    starts = (
        identity
        for identity in catalog.variants
        if (not names or identity.package in names) and _in_columns(catalog, identity, wanted_values)
    )

    def needed(identity: VariantId) -> Iterable[VariantId]:
        return (other for other in catalog.variants[identity].needs if _in_columns(catalog, other, wanted_values))

    chosen = reached(starts, needed)
    return tuple(identity for identity in catalog.variants if identity in chosen)


def _in_columns(catalog: Catalog, identity: VariantId, wanted: Mapping[str, tuple[str, ...]]) -> bool:
    values = catalog.packages[identity.package].dimensions.split(identity.partition)
    return all(not wanted[name] or value in wanted[name] for name, value in values.items())


def refuse_elsewhere(forge: ForgeOnDisk, packages: Iterable[str]) -> None:
    """Refuse to build packages that a user names and that are built on another machine.

    Raises:
        ForgeError: naming the first.
    """
    for name in packages:
        why = forge.not_built_here(forge.catalog.provider[name])
        if why is not None:
            raise ForgeError(f"{name} {why}", remedy="build it there; wvforge explain shows what it is to be made from")


def make_plan(
    catalog: Catalog,
    statuses: Mapping[VariantId, Status],
    failures: Mapping[VariantId, Failure],
    selected: tuple[VariantId, ...],
    *,
    force: Mapping[VariantId, str] | None = None,
    retry_failed: bool = False,
    publish: bool = True,
    tried: frozenset[VariantId] = frozenset(),
) -> Plan:
    """What of `selected` has to be made now.

    Args:
        force: package variants that are built although they are up to date, and why.
        tried: those that were made by an earlier plan: they are not made again.
        retry_failed: try those again that failed with the inputs that they still have.
        publish: whether what is staged only has to be published.
    """
    reasons: dict[VariantId, str] = {}
    given_up: set[VariantId] = set()
    for identity in selected:
        status = statuses[identity]
        failure = failures.get(identity)
        if status.state in NOT_MADE_HERE or status.broken or identity in tried:
            continue
        if force and identity in force:
            reasons[identity] = force[identity]
        elif status.state is State.PUBLISHED or (status.state is State.STAGED and not (publish and status.goes_to)):
            continue
        elif status.state in (State.FAILED, State.UNSOLVABLE):
            passing = failure is not None and failure.failure_class in PASSING
            if passing or retry_failed:
                # By the time that it is built it has been solved: what was missing is there.
                unsolvable = status.state is State.UNSOLVABLE
                reasons[identity] = (
                    "tried again: it could not be solved" if unsolvable else f"tried again after: {status.reason}"
                )
            else:
                given_up.add(identity)
        else:
            blocked = status.state is State.BLOCKED
            reasons[identity] = f"was blocked: {status.reason}" if blocked else status.reason
    waits_for = {
        identity: frozenset(other for other in _before(catalog, identity) if other in reasons) for identity in reasons
    }
    return Plan(waits_for, reasons, frozenset(given_up), selected)


def _before(catalog: Catalog, identity: VariantId) -> Iterable[VariantId]:
    """What a package variant has to wait for: what it needs, and the partitions before it that share an output with it."""
    yield from catalog.variants[identity].needs
    yield from (other for other in catalog.sharing(identity) if other < identity)
