"""From evidence to states: computed here once; the command line, Dagster's assets and the sensors all show these values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.catalog import Catalog, PackageVariant, VariantId
from wvforge_dagster.core.changes import Change, changed_tests, describe, input_changes
from wvforge_dagster.core.columns import KEY_OF_DIMENSION
from wvforge_dagster.core.digest import digest
from wvforge_dagster.core.evidence import Evidence, Listed
from wvforge_dagster.core.expected import Shelf, find_expected, make_shelf, unlike
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.gpu import GpuState
from wvforge_dagster.core.platforms import NOARCH
from wvforge_dagster.core.promotion import WAITS, waiting_for_columns
from wvforge_dagster.core.state import STUCK, TO_BUILD, UP_TO_DATE, Expected, State, Status, state_of_failure


def derive(catalog: Catalog, evidence: Evidence) -> dict[VariantId, Status]:
    """The status of every package variant, in dependency order; after them, what is published and in the forge no more."""
    statuses = derive_some(catalog, evidence, catalog.variants)
    statuses |= waiting_for_columns(catalog, statuses)
    statuses |= {status.id: status for status in _refused(evidence, statuses)}
    for status in _retired(catalog, evidence):
        statuses[status.id] = status
    return statuses


def _refused(evidence: Evidence, statuses: Mapping[VariantId, Status]) -> Iterable[Status]:
    """The statuses of those that some targets do not take, with that in their reasons, whether they are built or not."""
    for status in statuses.values():
        refused = evidence.refused.get(status.id.package)
        if refused and status.state not in (State.SKIPPED, *STUCK):
            words = (f"not published to {label}: {why}" for label, why in refused.items())
            yield replace(status, reason="; ".join([status.reason, *words]))


def derive_some(catalog: Catalog, evidence: Evidence, identities: Iterable[VariantId]) -> dict[VariantId, Status]:
    """The statuses of these package variants. What they need is among them, and comes first; how far their columns are is not
    said."""
    shelf = make_shelf(evidence, catalog)
    statuses: dict[VariantId, Status] = {}
    as_if_here: dict[VariantId, Status] = {}
    for identity in identities:
        variant = catalog.variants[identity]
        want = _want(variant, catalog, evidence, statuses)
        platform = catalog.packages[identity.package].platform
        needed = statuses if platform == evidence.machine else as_if_here
        found = replace(_status(variant, want, catalog, evidence, shelf, needed), want=want)
        as_if_here[identity] = found
        statuses[identity] = found if platform == evidence.machine else _elsewhere(found, platform, catalog, evidence)
    return statuses


def _status(
    variant: PackageVariant,
    want: str,
    catalog: Catalog,
    evidence: Evidence,
    shelf: Shelf,
    statuses: Mapping[VariantId, Status],
) -> Status:
    identity = variant.id
    fault = catalog.packages[identity.package].fault
    if fault is not None:
        return Status(identity, State.FAILED, fault, broken=True)
    if variant.skip is not None:
        return Status(identity, State.SKIPPED, variant.skip)
    fault = evidence.files[identity.package].fault
    if fault is not None:
        return Status(identity, State.FAILED, fault, broken=True)
    built = any((identity.package, identity.partition, output.name) in shelf.of_output for output in variant.outputs)
    stuck = blockers(variant, statuses)
    unfinished = unfinished_needs(variant, statuses)
    if identity in evidence.building:
        return Status(identity, State.BUILDING, "being built now")
    if stuck and (unfinished or any(other in variant.builds_against for other in stuck)):
        return Status(identity, State.BLOCKED, _blocked_by(stuck, statuses))
    failure = evidence.failures.get(identity)
    if unfinished and not built and failure is not None and failure.want == want:
        # It was solved before anything of its column was built, and could not be.
        return Status(identity, state_of_failure(failure), failure.reason, log=failure.log)
    if unfinished:
        names = ", ".join(str(other) for other in unfinished)
        if built:
            own = [*_own_changes(find_expected(variant, catalog, evidence, shelf, statuses))]
            first = f"{describe(own)}; " if own else ""
            return Status(identity, State.WAITING, f"{first}builds against {names}, to be rebuilt first")
        return Status(identity, State.MISSING, f"{_why_missing(variant, catalog, shelf)}; builds against {names}")
    expected = find_expected(variant, catalog, evidence, shelf, statuses)
    good = all(item.found for item in expected)
    if good and all(item.tested for item in expected):
        return _published(identity, expected, evidence)
    missing = Status(identity, State.MISSING, _why_missing(variant, catalog, shelf), expected)
    if failure is not None and (failure.input_digest == missing.input_digest or failure.want == want):
        return replace(
            missing, state=state_of_failure(failure), reason=failure.reason, log=failure.log, tests_only=False
        )
    if stuck:
        return replace(missing, state=State.BLOCKED, reason=_blocked_by(stuck, statuses))
    if good:
        if any(statuses[other].state in TO_BUILD and not statuses[other].is_settled for other in variant.runs_with):
            # What they would run with is not known yet.
            return _published(identity, expected, evidence)
        reason = f"tests only, on the same file: {describe(_test_reasons(expected))}"
        return replace(missing, state=State.STALE, reason=reason, tests_only=True)
    reasons = [reason for item in expected for reason in reasons_to_build(item, evidence)]
    if any(item.last for item in expected):
        return replace(missing, state=State.STALE, reason=describe(reasons))
    return missing


def _elsewhere(status: Status, platform: str, catalog: Catalog, evidence: Evidence) -> Status:
    """The status of a package variant that is not built on this machine: what is out of date is not made here, and what is
    up to date is not published from here."""
    if status.state is State.SKIPPED or catalog.packages[status.id.package].fault is not None:
        return status
    where = f"on a {platform} machine"
    if status.state in UP_TO_DATE:
        reason = (
            status.reason if status.state is State.PUBLISHED else f"{status.reason}; it is published from {where[3:]}"
        )
        return replace(status, reason=reason, goes_to=(), with_column=())
    reason = f"is built {where}, and this one is {evidence.machine}; {status.state}: {status.reason}"
    return replace(status, state=State.ELSEWHERE, reason=reason, tests_only=False)


def reasons_to_build(expected: Expected, evidence: Evidence) -> Iterable[Change]:
    """Why an output is to be built although there is a package of it, one by one; nothing if it is up to date."""
    last = expected.last
    if expected.found is not None or last is None or not last.records:
        return
    # Of several records of the newest package, the one that is nearest to what is wanted says most.
    lists = [[*input_changes(record.parts, expected.parts)] for record in last.records]
    nearest = min(lists, key=len)
    if nearest:
        yield from nearest
        return
    record = last.records[lists.index(nearest)]
    policy = unlike(record, evidence)
    yield from (Change(name, f"{old} -> {new}") for name, (old, new) in policy.items())
    if not policy:
        yield Change("channels", "a package made from other inputs hides the one that was made from these")


def _own_changes(expected: Iterable[Expected]) -> Iterable[Change]:
    """What changed of package variants whose local packages are not known yet, besides these: it is built in any case."""
    for item in expected:
        records = item.last.records if item.last is not None else ()
        lists = [
            [*input_changes(record.parts, {**item.parts, "local_packages": record.parts.get("local_packages", {})})]
            for record in records
        ]
        yield from min(lists, key=len, default=[])


def _test_reasons(expected: Iterable[Expected]) -> Iterable[Change]:
    for item in expected:
        if item.found is not None and not item.tested:
            changes = [*changed_tests(item.found.records[-1].tests, item.tests)]
            yield from changes or [Change("checks", "nothing shows that this very file passed them")]


def _why_missing(variant: PackageVariant, catalog: Catalog, shelf: Shelf) -> str:
    """Never built; and if it was built in other columns, for which value of this one not."""
    package = variant.id.package
    built = {partition for name, partition, _ in shelf.of_output if name == package}
    dimensions = catalog.packages[package].dimensions
    others = [dimensions.split(partition) for partition in dimensions.keys() if partition in built]
    for name, value in dimensions.split(variant.id.partition).items():
        if others and all(other[name] != value for other in others):
            return f"never built for {KEY_OF_DIMENSION[name]} {value}"
    return "never built"


def blockers(variant: PackageVariant, statuses: Mapping[VariantId, Status]) -> tuple[VariantId, ...]:
    """The package variants without which this one cannot be built or tested, and which cannot be built.

    Of a package that it only runs with, one working column is enough for an unpartitioned one.
    """
    stuck = [other for other in variant.builds_against if statuses[other].state in STUCK]
    by_package: dict[str, list[VariantId]] = {}
    for other in variant.runs_with:
        by_package.setdefault(other.package, []).append(other)
    for others in by_package.values():
        if all(statuses[other].state in STUCK for other in others):
            stuck.extend(others)
    return tuple(stuck)


def unfinished_needs(variant: PackageVariant, statuses: Mapping[VariantId, Status]) -> tuple[VariantId, ...]:
    """The package variants that this one builds against and that are to be built first."""
    return tuple(
        other
        for other in variant.builds_against
        if statuses[other].state in TO_BUILD and not statuses[other].is_settled
    )


def _blocked_by(stuck: tuple[VariantId, ...], statuses: Mapping[VariantId, Status]) -> str:
    shown = "; ".join(f"{other} is {statuses[other].state}" for other in stuck[:3])
    return f"{shown} and {len(stuck) - 3} more" if len(stuck) > 3 else shown


def _published(identity: VariantId, expected: tuple[Expected, ...], evidence: Evidence) -> Status:
    wanted = {Listed.of(item.found) for item in expected if item.found}
    targets = evidence.targets.get(identity.package, ())
    holding = tuple(target for target in targets if wanted <= evidence.published.get(target, frozenset()))
    lacking = [target for target in targets if target not in holding]
    if not targets:
        return Status(identity, State.STAGED, "it goes to no publish target", expected)
    if not lacking:
        return Status(identity, State.PUBLISHED, "up to date", expected, holding, goes_to=targets)
    if evidence.gpu_required and (held := _held_by_gpu(expected)):
        return Status(identity, State.STAGED, held, expected, holding, held=held)
    with_column = tuple(target for target in lacking if target in evidence.by_column)
    now = [target for target in lacking if target not in with_column]
    goes_to = tuple(target for target in targets if target not in evidence.by_column) if now else ()
    why = f"not yet in {', '.join(now)}" if now else WAITS
    status = Status(identity, State.STAGED, why, expected, holding, goes_to=goes_to, with_column=with_column)
    failure = evidence.failures.get(identity)
    if failure is not None and is_failed_upload(failure, status):
        return replace(status, reason=f"not published: {failure.reason}")
    return status


def _held_by_gpu(expected: Iterable[Expected]) -> str:
    """Why GPU tests keep a package variant from its targets; empty if they do not."""
    found = {item.gpu for item in expected}
    if GpuState.FAILED in found:
        return "its GPU tests failed; forge.yaml wants them passed (gpu-tests: required)"
    if GpuState.PENDING in found:
        return "its GPU tests are pending: run wvforge gpu-test on a machine with a GPU"
    return ""


def is_failed_upload(failure: Failure, status: Status) -> bool:
    """Whether a failure is that of the upload of what is staged now, or of the tests and checks before it."""
    steps = (FailureClass.UPLOAD, FailureClass.TEST, FailureClass.CHECK)
    return failure.failure_class in steps and failure.input_digest == status.input_digest


def _want(variant: PackageVariant, catalog: Catalog, evidence: Evidence, statuses: Mapping[VariantId, Status]) -> str:
    """See `Status.want`: the inputs of `variant`, with the wants of what it needs in place of contents."""
    if catalog.packages[variant.id.package].fault is not None or variant.skip is not None:
        return ""
    files = evidence.files[variant.id.package]
    needs = sorted(set(variant.needs))
    return digest(
        [
            [[output.binding_digest, output.rendered.get("tests")] for output in variant.outputs],
            [dict(files.files), dict(files.sources)],
            catalog.packages[variant.id.package].platform,
            [[str(other), statuses[other].want] for other in needs],
        ]
    )


def _retired(catalog: Catalog, evidence: Evidence) -> Iterable[Status]:
    """What was published by this forge and has no place in it any more: its column or its recipe is gone."""
    found: dict[VariantId, list[Artifact]] = {}
    for artifact in evidence.artifacts:
        if artifact.record is not None:
            identity = catalog.identity_of(artifact.record.package, artifact.record.partition, artifact.subdir)
            package = catalog.packages.get(identity.package)
            if identity not in catalog.variants and (package is None or package.fault is None):
                found.setdefault(identity, []).append(artifact)
    for identity, artifacts in sorted(found.items()):
        last = max(artifacts, key=lambda item: (item.built, item.build_number))
        files = {Listed.of(item) for item in artifacts}
        holding = tuple(label for label, listed in evidence.published.items() if files & listed)
        if not holding:
            continue
        gone = "its column is not in the variant files" if identity.package in catalog.packages else "it has no recipe"
        if last.subdir not in (NOARCH, *catalog.platforms):
            gone = f"{last.subdir} is not in forge.yaml"
        reason = f"{gone} any more; what is published stays"
        yield Status(identity, State.RETIRED, reason, channels=holding, kept=(last,))
