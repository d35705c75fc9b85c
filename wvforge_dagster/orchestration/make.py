"""Making one package variant: what Dagster's asset does when it is materialized.

In this order, so that nothing is lost or half done: hold the package variant's lock; derive its status anew; build and test
each output in a folder of its own; only when all tests passed, stage all its packages at once. Where only the tests changed,
they run on the package that is there. Where a build came out equal to the package that is there, that one stays, and a note
beside it says which inputs it is good for as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

from wvforge_dagster.build.builder import remove_folder
from wvforge_dagster.core.catalog import PackageVariant, VariantId
from wvforge_dagster.core.derive import blockers, unfinished_needs
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.inputs import NOT_ASKED
from wvforge_dagster.core.state import UP_TO_DATE, State, Status
from wvforge_dagster.orchestration.building import build_variant
from wvforge_dagster.orchestration.column_files import column_artifacts
from wvforge_dagster.orchestration.commits import ask_commits
from wvforge_dagster.orchestration.embedded import explain_missing
from wvforge_dagster.orchestration.evidence import derive_one, derive_statuses
from wvforge_dagster.orchestration.failures import forget_failure, keep_failure, read_failures
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.isolation import compiler_cache_of, sandbox_of
from wvforge_dagster.orchestration.locks import refuse_if_lost, shared_outputs, variant_lock, wait_for_lock
from wvforge_dagster.orchestration.made import Made, MakeFailed, OnLog
from wvforge_dagster.orchestration.shared_staging import share_measure
from wvforge_dagster.orchestration.solve_first import needs_solving, solve_statuses
from wvforge_dagster.orchestration.testing import test_again


def make_variant(
    forge: ForgeOnDisk, identity: VariantId, on_log: OnLog, *, force: bool = False, why: str = "forced"
) -> Made:
    """Build, test and stage a package variant, unless it is up to date.

    Args:
        on_log: called for each line of the build's log with its level and text.
        force: build it also if it is up to date.
        why: the reason that is shown for that.

    Raises:
        MakeFailed: if it cannot be built, or a test fails; then nothing was staged.
    """
    variant = forge.catalog.variants[identity]
    _refuse_elsewhere(forge, identity)
    with variant_lock(forge, identity, partial(on_log, "info")), shared_outputs(forge, identity):
        for other in variant.builds_against:
            wait_for_lock(forge, other)
        with suppress(ForgeError):  # what cannot be written is a fault of the build, with its log
            # A build that was killed while it staged its package is not done again.
            forge.staging.mend()
        statuses = _statuses_with_commits(forge, identity)
        status = statuses[identity]
        if status.state is State.SKIPPED:
            return Made((), status.reason)
        if status.state in UP_TO_DATE and not force:
            remove_folder(forge.work_folder(identity))  # of a build that was killed after it had staged its package
            return Made(status.artifacts, "up to date")
        _solve_column(forge, status)
        _refuse_if_not_ready(variant, statuses)
        _refuse_if_not_isolated(forge)
        reason = why if status.state in UP_TO_DATE else status.reason
        column = column_artifacts(forge, variant, statuses)
        try:
            if not force and status.expected and all(item.found for item in status.expected):
                # Also after tests alone failed: the file is good, and only they have to run again.
                made = test_again(forge, variant, status, column, on_log)
            else:
                made = build_variant(forge, variant, status, column, on_log)
        except MakeFailed as failed:
            failure = replace(failed.failure, input_digest=status.input_digest)
            if failure.failure_class is FailureClass.SOLVE:
                failure = replace(failure, reason=explain_missing(forge, failure.reason))
            with suppress(ForgeError):  # the failure itself is told in any case
                refuse_if_lost(forge, identity)
                keep_failure(forge, identity, failure)
            raise MakeFailed(failure, failed.tests, failed.checks) from None
        forget_failure(forge, identity)
        if made.measure is not None:
            share_measure(forge, identity, made.measure)
        return replace(made, reason=reason)


def test_variant(forge: ForgeOnDisk, identity: VariantId, on_log: OnLog) -> Made:
    """Run the tests of a package variant on the packages that are there; nothing is built.

    Raises:
        MakeFailed: if a test fails, or there is nothing to test.
    """
    variant = forge.catalog.variants[identity]
    _refuse_elsewhere(forge, identity)
    with variant_lock(forge, identity):
        statuses = derive_one(forge, identity, mine=identity)
        status = statuses[identity]
        if not status.expected or not all(item.found for item in status.expected):
            reason = f"there is nothing to test: it is {status.state} ({status.reason})"
            raise MakeFailed(Failure(FailureClass.OTHER, reason))
        _refuse_if_not_isolated(forge)
        try:
            made = test_again(forge, variant, status, column_artifacts(forge, variant, statuses), on_log)
        except MakeFailed as failed:
            if status.state not in UP_TO_DATE:
                keep_failure(forge, identity, replace(failed.failure, input_digest=status.input_digest))
            raise
        if status.state not in UP_TO_DATE:
            forget_failure(forge, identity)
        return replace(made, reason="asked for")


test_variant.__test__ = False  # type: ignore[attr-defined]  # it is no test


def _statuses_with_commits(forge: ForgeOnDisk, identity: VariantId) -> Mapping[VariantId, Status]:
    """The statuses, with the commits of the package's git sources asked for if nobody ever did, or if the commit that was
    recorded could not be had by the last attempt: it may be gone from its repository.

    Raises:
        MakeFailed: if they cannot be asked.
    """
    statuses = derive_one(forge, identity, mine=identity)
    sources = [source for item in statuses[identity].expected for source in item.parts["sources"].values()]
    failure = read_failures(forge).get(identity)
    was_lost = failure is not None and failure.failure_class in (FailureClass.FETCH, FailureClass.INTERRUPTED)
    if NOT_ASKED not in sources and not (was_lost and sources):
        return statuses
    faults = ask_commits(forge, [identity.package])
    for fault in faults.values():
        failure = Failure(FailureClass.FETCH, str(fault), input_digest=statuses[identity].input_digest)
        keep_failure(forge, identity, failure)
        raise MakeFailed(failure)
    return derive_one(forge, identity, mine=identity)


def _solve_column(forge: ForgeOnDisk, mine: Status) -> None:
    """Before anything of a column is compiled for the first time, solve all of it that was never built.

    Raises:
        MakeFailed: if this package variant cannot be solved.
    """
    if not needs_solving(forge, mine):
        return
    column = [
        status
        for status in derive_statuses(forge, mine=mine.id).values()
        if status.id.partition == mine.id.partition and needs_solving(forge, status)
    ]
    unsolvable = solve_statuses(forge, column)
    if mine.id in unsolvable:
        raise MakeFailed(read_failures(forge)[mine.id])


def _refuse_if_not_ready(variant: PackageVariant, statuses: Mapping[VariantId, Status]) -> None:
    """A build needs its own recipe in order, and what it builds against up to date."""
    own = statuses[variant.id]
    if own.broken:
        raise MakeFailed(Failure(FailureClass.RENDER, own.reason))
    stuck = blockers(variant, statuses)
    unfinished = unfinished_needs(variant, statuses)
    if stuck or unfinished:
        others = "; ".join(f"{other} is {statuses[other].state}" for other in (*stuck, *unfinished))
        raise MakeFailed(Failure(FailureClass.OTHER, f"blocked: {others}; build that first"))


def _refuse_elsewhere(forge: ForgeOnDisk, identity: VariantId) -> None:
    """What cannot be built on this machine is never attempted."""
    why = forge.not_built_here(identity.package)
    if why is not None:
        raise MakeFailed(Failure(FailureClass.OTHER, f"{identity} {why}"))


def _refuse_if_not_isolated(forge: ForgeOnDisk) -> None:
    """That is no fault of the package's, and is not kept as one; nor is a compiler cache that is asked for and not there."""
    try:
        sandbox_of(forge)
        compiler_cache_of(forge)
    except ForgeError as error:
        raise MakeFailed(Failure(FailureClass.OTHER, str(error))) from None
