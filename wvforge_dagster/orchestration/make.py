"""Making one package variant: what Dagster's asset does when it is materialized.

In this order, so that nothing is lost or half done: hold the package variant's lock; derive its status anew; build and test
each output in a folder of its own; only when all tests passed, stage all its packages at once. Where only the tests changed,
they run on the package that is there. Where a build came out equal to the package that is there, that one stays, and a note
beside it says which inputs it is good for as well.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from wvforge_dagster.build.builder import (
    BuildFailed,
    BuildPlace,
    BuildRequest,
    BuiltPackage,
    TestOutcome,
    build_output,
    remove_folder,
    run_package_tests,
)
from wvforge_dagster.build.machine import recorded_parts
from wvforge_dagster.build.retest import Retest, retest
from wvforge_dagster.build.sandbox import Sandbox
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.channels.folder_view import make_view
from wvforge_dagster.core.artifact import RECORD_KEY, Artifact, Record
from wvforge_dagster.core.catalog import PackageVariant, VariantId
from wvforge_dagster.core.derive import blockers, unfinished_needs
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.inputs import NOT_ASKED, git_source_key
from wvforge_dagster.core.package_file import PackageFile
from wvforge_dagster.core.recipe import Output
from wvforge_dagster.core.state import UP_TO_DATE, Expected, State, Status
from wvforge_dagster.orchestration.column_files import column_artifacts
from wvforge_dagster.orchestration.commits import ask_commits
from wvforge_dagster.orchestration.embedded import explain_missing
from wvforge_dagster.orchestration.evidence import derive_statuses, recipe_files
from wvforge_dagster.orchestration.failures import forget_failure, keep_failure, read_failures
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk, partition_folder
from wvforge_dagster.orchestration.isolation import isolation_name, isolation_warning, sandbox_of
from wvforge_dagster.orchestration.locks import variant_lock, wait_for_lock, whole_machine
from wvforge_dagster.orchestration.numbering import build_number
from wvforge_dagster.orchestration.solve_first import needs_solving, solve_statuses
from wvforge_dagster.orchestration.staging import bring

OnLog = Callable[[str, str], None]

FETCH_PAUSES = (2.0, 8.0)
"""Seconds between the attempts to fetch a source."""


@dataclass(frozen=True)
class Made:
    """What came of making a package variant.

    Attributes:
        reason: why it was built or tested, or that it is up to date.
        outcome: what was done, in a few words: ``built``, ``tested``, ``not built``.
        tests: how the tests ended that ran now, by output.
        seconds: of each phase, summed over the outputs; empty if nothing ran.
    """

    artifacts: tuple[Artifact, ...]
    reason: str
    outcome: str = "not built"
    tests: tuple[tuple[str, TestOutcome], ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    log: Path | None = None

    @property
    def ran(self) -> bool:
        return self.log is not None


class MakeFailed(Exception):
    """A package variant that could not be made. Carries the `Failure` and the tests that ran."""

    def __init__(self, failure: Failure, tests: tuple[tuple[str, TestOutcome], ...] = ()) -> None:
        super().__init__(failure.reason)
        self.failure = failure
        self.tests = tests


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
    with variant_lock(forge, identity):
        for other in variant.builds_against:
            wait_for_lock(forge, other)
        statuses = _statuses_with_commits(forge, identity)
        status = statuses[identity]
        if status.state is State.SKIPPED:
            return Made((), status.reason)
        if status.state in UP_TO_DATE and not force:
            return Made(status.artifacts, "up to date")
        _solve_column(forge, identity, statuses)
        _refuse_if_not_ready(forge, variant, statuses)
        _refuse_if_not_isolated(forge)
        reason = why if status.state in UP_TO_DATE else status.reason
        column = column_artifacts(forge, variant, statuses)
        try:
            if status.tests_only and not force:
                made = _test_again(forge, variant, status, column, on_log)
            else:
                with whole_machine(forge) if forge.is_heavy(identity.package) else nullcontext():
                    made = _make(forge, variant, status, column, on_log)
        except MakeFailed as failed:
            failure = replace(failed.failure, input_digest=status.input_digest)
            if failure.failure_class is FailureClass.SOLVE:
                failure = replace(failure, reason=explain_missing(forge, failure.reason))
            keep_failure(forge, identity, failure)
            raise MakeFailed(failure, failed.tests) from None
        forget_failure(forge, identity)
        return replace(made, reason=reason)


def test_variant(forge: ForgeOnDisk, identity: VariantId, on_log: OnLog) -> Made:
    """Run the tests of a package variant on the packages that are there; nothing is built.

    Raises:
        MakeFailed: if a test fails, or there is nothing to test.
    """
    variant = forge.catalog.variants[identity]
    with variant_lock(forge, identity):
        statuses = derive_statuses(forge, mine=identity)
        status = statuses[identity]
        if not status.expected or not all(item.found for item in status.expected):
            reason = f"there is nothing to test: it is {status.state} ({status.reason})"
            raise MakeFailed(Failure(FailureClass.OTHER, reason))
        _refuse_if_not_isolated(forge)
        made = _test_again(forge, variant, status, column_artifacts(forge, variant, statuses), on_log)
        return replace(made, reason="asked for")


test_variant.__test__ = False  # type: ignore[attr-defined]  # it is no test


def _statuses_with_commits(forge: ForgeOnDisk, identity: VariantId) -> Mapping[VariantId, Status]:
    """The statuses, with the commits of the package's git sources asked for if nobody ever did.

    Raises:
        MakeFailed: if they cannot be asked.
    """
    statuses = derive_statuses(forge, mine=identity)
    sources = (source for item in statuses[identity].expected for source in item.parts["sources"].values())
    if NOT_ASKED not in sources:
        return statuses
    faults = ask_commits(forge, [identity.package])
    for fault in faults.values():
        failure = Failure(FailureClass.FETCH, str(fault), input_digest=statuses[identity].input_digest)
        keep_failure(forge, identity, failure)
        raise MakeFailed(failure)
    return derive_statuses(forge, mine=identity)


def _solve_column(forge: ForgeOnDisk, identity: VariantId, statuses: Mapping[VariantId, Status]) -> None:
    """Before anything of a column is compiled for the first time, solve all of it that was never built.

    Raises:
        MakeFailed: if this package variant cannot be solved.
    """
    if not needs_solving(forge, statuses[identity]):
        return
    column = [
        status
        for status in statuses.values()
        if status.id.partition == identity.partition and needs_solving(forge, status)
    ]
    unsolvable = solve_statuses(forge, column)
    if identity in unsolvable:
        raise MakeFailed(read_failures(forge)[identity])


def _refuse_if_not_ready(forge: ForgeOnDisk, variant: PackageVariant, statuses: Mapping[VariantId, Status]) -> None:
    """A build needs its own recipe in order, and what it builds against up to date."""
    fault = forge.catalog.packages[variant.id.package].fault
    if fault is not None:
        raise MakeFailed(Failure(FailureClass.RENDER, fault))
    stuck = blockers(variant, statuses)
    unfinished = unfinished_needs(variant, statuses)
    if stuck or unfinished:
        others = "; ".join(f"{other} is {statuses[other].state}" for other in (*stuck, *unfinished))
        raise MakeFailed(Failure(FailureClass.OTHER, f"blocked: {others}; build that first"))


def _refuse_if_not_isolated(forge: ForgeOnDisk) -> None:
    """That is no fault of the package's, and is not kept as one."""
    try:
        sandbox_of(forge)
    except ForgeError as error:
        raise MakeFailed(Failure(FailureClass.OTHER, str(error))) from None


@dataclass
class _Attempt:
    """One attempt to make a package variant: its folder, its log, and the tests that ran."""

    forge: ForgeOnDisk
    work: Path
    log: Path
    write: OnLog
    own_channels: list[str]
    package: str
    sandbox: Sandbox | None
    tests: list[tuple[str, TestOutcome]] = field(default_factory=list)

    def place(self, name: str, channels: list[str], *, for_tests: bool = False) -> BuildPlace:
        folder = self.work / name
        folder.mkdir(parents=True)
        return BuildPlace(
            folder=folder,
            cache=self.forge.engine_cache,
            channels=(*channels, *self.own_channels, *self.forge.solve_channels),
            variant_files=self.forge.variant_files,
            platform=self.forge.forge.platform,
            limits=(self.forge.test_limits if for_tests else self.forge.build_limits)(self.package),
            sandbox=self.sandbox,
        )

    def seconds(self, built: list[BuiltPackage]) -> dict[str, float]:
        found: dict[str, float] = {"test": sum(outcome.seconds for _, outcome in self.tests)}
        for package in built:
            for phase, value in package.seconds.items():
                found[phase] = found.get(phase, 0.0) + value
        return found


@contextmanager
def _attempt(
    forge: ForgeOnDisk, identity: VariantId, column: tuple[Artifact, ...], on_log: OnLog
) -> Iterator[_Attempt]:
    """Everything that can go wrong in it becomes a `MakeFailed` with the tests that ran and the log's place.

    The work folder is removed at the end; after a script that failed it stays until the next attempt, for the one who looks
    into it: the engine's log says how to run the script there.
    """
    log = forge.log_folder(identity) / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    shown_log = log.relative_to(forge.output).as_posix()
    work = forge.work_folder(identity)
    remove_folder(work)
    keep = False
    attempt = _Attempt(forge, work, log, on_log, [], identity.package, None)
    try:
        with log.open("w", encoding="utf-8", errors="backslashreplace") as stream:
            attempt.write = _both(stream, on_log)
            attempt.sandbox = sandbox_of(forge)
            if (warning := isolation_warning(forge)) is not None:
                attempt.write("warn", str(warning))
            _create_channels(forge)
            if column:
                files = [(entry.subdir, entry.filename) for entry in bring(forge, column)]
                attempt.own_channels.append(make_view(forge.staging.path, files, work / "column"))
            yield attempt
    except BuildFailed as error:
        keep = error.failure.failure_class is FailureClass.SCRIPT
        failure = replace(error.failure, log=shown_log)
        raise MakeFailed(failure, tuple(attempt.tests)) from None
    except ForgeError as error:
        raise MakeFailed(Failure(FailureClass.OTHER, str(error), log=shown_log), tuple(attempt.tests)) from None
    except OSError as error:
        failure = Failure(
            FailureClass.OTHER, f"{error.filename or forge.output}: {error.strerror or error}", log=shown_log
        )
        raise MakeFailed(failure, tuple(attempt.tests)) from None
    finally:
        if not keep:
            remove_folder(work)


def _make(
    forge: ForgeOnDisk, variant: PackageVariant, status: Status, column: tuple[Artifact, ...], on_log: OnLog
) -> Made:
    """Build, test and stage all outputs."""
    built: list[BuiltPackage] = []
    with _attempt(forge, variant.id, column, on_log) as attempt:
        number = build_number(forge, variant, status)
        siblings = FolderChannel(attempt.work / "siblings", label="siblings")
        for position, expected in enumerate(status.expected):
            request = _request(forge, variant, expected, number)
            package, place = _build(attempt, request, str(position), [siblings.url] if built else [])
            _check_sources(forge, variant, expected)
            built.append(package)
            outcomes = _test(forge, variant, expected, package, place, attempt.write)
            attempt.tests += [(expected.output.name, outcome) for outcome in outcomes]
            if any(outcome.failure for outcome in outcomes):
                _keep_aside(forge, variant.id, package.file)
                break
            if len(status.expected) > 1:
                siblings.publish([package.file])
        _raise_failed(attempt)
        equal = _equal_packages(status.expected, built)
        if equal is None:
            attempt.write("info", f"staging {', '.join(package.file.filename for package in built)}")
            forge.staging.publish([package.file for package in built])
            artifacts, outcome = tuple(package.artifact for package in built), "built"
        else:
            artifacts = equal
            outcome = f"built, and came out equal to {', '.join(item.filename for item in equal)}, which stays"
            attempt.write("info", outcome)
            for entry, package in zip(bring(forge, equal), built, strict=True):
                record = package.artifact.record
                assert record is not None, "a package that was just built carries its record"
                note = replace(record, environments=package.environments.to_json())
                forge.staging.add_notes(entry, [note.to_extra()])
        return Made(
            artifacts,
            status.reason,
            outcome,
            tests=tuple(attempt.tests),
            seconds=attempt.seconds(built),
            log=attempt.log,
        )


def _build(attempt: _Attempt, request: BuildRequest, name: str, channels: list[str]) -> tuple[BuiltPackage, BuildPlace]:
    """Build an output; a source that cannot be fetched is tried again after growing pauses, unless it is a wrong one."""
    for pause in FETCH_PAUSES:
        place = attempt.place(name, channels)
        try:
            return build_output(request, place, attempt.write), place
        except BuildFailed as error:
            wrong = re.search(r"checksum|hash|sha256|md5|is commit", error.failure.reason, re.IGNORECASE)
            if error.failure.failure_class is not FailureClass.FETCH or wrong:
                raise
            attempt.write("warn", f"{error.failure.reason}; tried again in {pause:.0f} s")
            remove_folder(place.folder)
            time.sleep(pause)
    place = attempt.place(name, channels)
    return build_output(request, place, attempt.write), place


def _test_again(
    forge: ForgeOnDisk, variant: PackageVariant, status: Status, column: tuple[Artifact, ...], on_log: OnLog
) -> Made:
    """Run the tests of all outputs on the packages that are there."""
    with _attempt(forge, variant.id, (*column, *status.artifacts), on_log) as attempt:
        for position, expected in enumerate(status.expected):
            found = expected.found
            assert found is not None, "only what is there is tested again"
            place = attempt.place(str(position), [], for_tests=True)
            request = Retest(found, expected.output, forge.recipe_path(variant.id.package).parent)
            outcomes = retest(request, place, attempt.write)
            attempt.tests += [(expected.output.name, outcome) for outcome in outcomes]
        _raise_failed(attempt)
        for entry, expected in zip(bring(forge, status.artifacts), status.expected, strict=True):
            assert expected.found is not None
            now = expected.found.records[-1]
            forge.staging.add_notes(entry, [replace(now, tests=expected.tests, environments={}).to_extra()])
        return Made(
            status.artifacts,
            status.reason,
            "tested",
            tests=tuple(attempt.tests),
            seconds=attempt.seconds([]),
            log=attempt.log,
        )


def _check_sources(forge: ForgeOnDisk, variant: PackageVariant, expected: Expected) -> None:
    """A ``path`` source that was changed while it was built must not get in under the old digest."""
    now = recipe_files(forge, forge.catalog.packages[variant.id.package]).sources
    for path, digest in now.items():
        if expected.parts["sources"].get(path, digest) != digest:
            reason = f"source {path}: was changed while it was built; build it again"
            raise BuildFailed(Failure(FailureClass.INTERRUPTED, reason))


def _raise_failed(attempt: _Attempt) -> None:
    """Raise the first failure of the tests, if one failed."""
    failed = next((outcome.failure for _, outcome in attempt.tests if outcome.failure), None)
    if failed is not None:
        raise BuildFailed(failed)


def _equal_packages(expected: tuple[Expected, ...], built: list[BuiltPackage]) -> tuple[Artifact, ...] | None:
    """The packages in the channels that the new ones are equal to in content, one for each output; None if one has none.

    A recipe whose build number was raised asks for a new package, equal or not.
    """
    found = []
    for item, package in zip(expected, built, strict=True):
        equal = [
            rival
            for rival in item.rivals
            if rival.content == package.artifact.content and rival.build_number >= item.output.build_number
        ]
        if not equal:
            return None
        found.append(max(equal, key=lambda rival: rival.build_number))
    return tuple(found)


def _request(forge: ForgeOnDisk, variant: PackageVariant, expected: Expected, number: int) -> BuildRequest:
    output = expected.output
    recipe = forge.catalog.packages[variant.id.package].recipe
    assert recipe is not None, "a package variant with outputs has a recipe"
    raised = number != output.build_number
    lacks_number = not output.build_string.endswith(f"_{output.build_number}")
    record = Record(
        package=variant.id.package,
        partition=variant.id.partition,
        input_digest=expected.input_digest,
        parts=expected.parts,
        tests=expected.tests,
        recorded=recorded_parts(isolation_name(forge)),
        recipe_number=output.build_number,
    )
    sources = output.rendered.get("source") or []
    commits = (expected.parts["sources"][git_source_key(source)] for source in sources if "git" in source)
    return BuildRequest(
        recipe=forge.recipe_path(variant.id.package),
        recipe_sha256=recipe.sha256,
        output=output,
        record=record,
        number=number if raised else None,
        string_suffix=f"_{number}" if raised and lacks_number else None,
        commits=tuple(commit.removeprefix("commit ") for commit in commits),
        network=forge.forge.network and _wants_network(forge, output, variant),
    )


def _wants_network(forge: ForgeOnDisk, output: Output, variant: PackageVariant) -> bool:
    """What the recipe says of it under ``extra``."""
    own = (output.rendered.get("extra") or {}).get(RECORD_KEY) or {}
    wanted = own.get("network", True) if isinstance(own, Mapping) else own
    if not isinstance(wanted, bool):
        where = f"{forge.recipe_path(variant.id.package)}: extra.{RECORD_KEY}"
        raise ForgeError(f"{own!r} is wrong", where=where, remedy=f"write {RECORD_KEY}: {{network: false}}")
    return wanted


def _create_channels(forge: ForgeOnDisk) -> None:
    for channel in (forge.staging, *(channel for _, channel in forge.targets)):
        if isinstance(channel, FolderChannel):
            # A target that cannot be written is a fault of the upload, not of the build.
            with suppress(ForgeError) if channel is not forge.staging else nullcontext():
                channel.create()


def _test(
    forge: ForgeOnDisk,
    variant: PackageVariant,
    expected: Expected,
    package: BuiltPackage,
    place: BuildPlace,
    write: OnLog,
) -> tuple[TestOutcome, ...]:
    tests = expected.output.rendered.get("tests") or []
    if not tests:
        return ()
    return run_package_tests(package.file, tests, replace(place, limits=forge.test_limits(variant.id.package)), write)


def _keep_aside(forge: ForgeOnDisk, identity: VariantId, file: PackageFile) -> None:
    """Keep a package whose test failed, for the one who looks into it. No build solves against this folder."""
    folder = forge.output / "aside" / identity.package / partition_folder(identity.partition)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file.path, folder / file.filename)


def _both(stream: IO[str], on_log: OnLog) -> OnLog:
    def write(level: str, line: str) -> None:
        stream.write(f"{line}\n" if level == "info" else f"{level}: {line}\n")
        stream.flush()
        on_log(level, line)

    return write
