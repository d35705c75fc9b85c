"""Making one package variant: what Dagster's asset does when it is materialized.

In this order, so that nothing is lost or half done: hold the package variant's lock; derive its status anew; build and test
each output in a folder of its own; only when all tests passed, stage all its packages at once.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
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
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.channels.folder_view import make_view
from wvforge_dagster.core.artifact import Artifact, Record
from wvforge_dagster.core.catalog import PackageVariant, VariantId
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.numbers import free_number, taken_numbers
from wvforge_dagster.core.package_file import PackageFile
from wvforge_dagster.core.state import TO_BUILD, UP_TO_DATE, Expected, State, Status, blockers
from wvforge_dagster.orchestration.column_files import column_files
from wvforge_dagster.orchestration.embedded import explain_missing
from wvforge_dagster.orchestration.evidence import derive_statuses, known_filenames
from wvforge_dagster.orchestration.failures import forget_failure, keep_failure
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk, partition_folder
from wvforge_dagster.orchestration.locks import variant_lock, wait_for_lock

OnLog = Callable[[str, str], None]


@dataclass(frozen=True)
class Made:
    """What came of making a package variant.

    Attributes:
        reason: why it was built, or that it is up to date.
        tests: how the tests ended that ran now, by output.
        seconds: of each phase, summed over the outputs; empty if nothing ran.
    """

    artifacts: tuple[Artifact, ...]
    reason: str
    ran: bool
    tests: tuple[tuple[str, TestOutcome], ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    log: Path | None = None


class MakeFailed(Exception):
    """A package variant that could not be made. Carries the `Failure` and the tests that ran."""

    def __init__(self, failure: Failure, tests: tuple[tuple[str, TestOutcome], ...] = ()) -> None:
        super().__init__(failure.reason)
        self.failure = failure
        self.tests = tests


def make_variant(forge: ForgeOnDisk, identity: VariantId, on_log: OnLog, *, force: bool = False) -> Made:
    """Build, test and stage a package variant, unless it is up to date.

    Args:
        on_log: called for each line of the build's log with its level and text.
        force: build it also if it is up to date.

    Raises:
        MakeFailed: if it cannot be built, or a test fails; then nothing was staged.
    """
    variant = forge.catalog.variants[identity]
    with variant_lock(forge, identity):
        for other in variant.builds_against:
            wait_for_lock(forge, other)
        statuses = derive_statuses(forge, mine=identity)
        status = statuses[identity]
        if status.state is State.SKIPPED:
            return Made((), status.reason, ran=False)
        if status.state in UP_TO_DATE and not force:
            return Made(status.artifacts, "up to date", ran=False)
        _refuse_if_not_ready(forge, variant, statuses)
        reason = "forced" if status.state in UP_TO_DATE else status.reason
        try:
            made = _make(forge, variant, status, column_files(forge, variant, statuses), on_log)
        except MakeFailed as failed:
            failure = replace(failed.failure, input_digest=status.input_digest)
            if failure.failure_class is FailureClass.SOLVE:
                failure = replace(failure, reason=explain_missing(forge, failure.reason))
            keep_failure(forge, identity, failure)
            raise MakeFailed(failure, failed.tests) from None
        forget_failure(forge, identity)
        return replace(made, reason=reason)


def _refuse_if_not_ready(forge: ForgeOnDisk, variant: PackageVariant, statuses: Mapping[VariantId, Status]) -> None:
    """A build needs its own recipe in order, and what it builds against up to date."""
    fault = forge.catalog.packages[variant.id.package].fault
    if fault is not None:
        raise MakeFailed(Failure(FailureClass.RENDER, fault))
    stuck = blockers(variant, statuses)
    unfinished = [other for other in variant.builds_against if statuses[other].state in TO_BUILD]
    if stuck or unfinished:
        others = "; ".join(f"{other} is {statuses[other].state}" for other in (*stuck, *unfinished))
        raise MakeFailed(Failure(FailureClass.OTHER, f"blocked: {others}; build that first"))


def _make(
    forge: ForgeOnDisk,
    variant: PackageVariant,
    status: Status,
    column: tuple[tuple[str, str], ...],
    on_log: OnLog,
) -> Made:
    """Build, test and stage all outputs."""
    log = forge.log_folder(variant.id) / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    shown_log = log.relative_to(forge.output).as_posix()
    work = forge.work_folder(variant.id)
    remove_folder(work)
    siblings = FolderChannel(work / "siblings", label="siblings")
    tests: list[tuple[str, TestOutcome]] = []
    built: list[BuiltPackage] = []
    try:
        with log.open("w", encoding="utf-8", errors="backslashreplace") as stream:
            write = _both(stream, on_log)
            numbers = _numbers(forge, status)
            own = [make_view(forge.staging.path, column, work / "column")] if column else []
            for position, expected in enumerate(status.expected):
                channels = ([siblings.url] if built else []) + own
                place = _place(forge, work / str(position), channels)
                package = build_output(_request(forge, variant, expected, numbers), place, write)
                built.append(package)
                outcomes = _test(forge, expected, package, place, write)
                tests += [(expected.output.name, outcome) for outcome in outcomes]
                if any(outcome.failure for outcome in outcomes):
                    _keep_aside(forge, variant.id, package.file)
                    break
                elif len(status.expected) > 1:
                    siblings.publish([package.file])
            failed = next((outcome.failure for _, outcome in tests if outcome.failure), None)
            if failed is not None:
                raise BuildFailed(failed)
            write("info", f"staging {', '.join(package.file.filename for package in built)}")
            forge.staging.publish([package.file for package in built])
    except BuildFailed as error:
        failure = replace(error.failure, log=shown_log)
        raise MakeFailed(failure, tuple(tests)) from None
    except ForgeError as error:
        raise MakeFailed(Failure(FailureClass.OTHER, str(error), log=shown_log), tuple(tests)) from None
    except OSError as error:
        failure = Failure(
            FailureClass.OTHER, f"{error.filename or forge.output}: {error.strerror or error}", log=shown_log
        )
        raise MakeFailed(failure, tuple(tests)) from None
    finally:
        remove_folder(work)
    seconds: dict[str, float] = {"test": sum(outcome.seconds for _, outcome in tests)}
    for package in built:
        for phase, value in package.seconds.items():
            seconds[phase] = seconds.get(phase, 0.0) + value
    artifacts = tuple(package.artifact for package in built)
    return Made(artifacts, status.reason, ran=True, tests=tuple(tests), seconds=seconds, log=log)


def _numbers(forge: ForgeOnDisk, status: Status) -> dict[str, int]:
    """The build number for each output: all outputs of a recipe take the same."""
    filenames = known_filenames(forge)
    outputs = [expected.output for expected in status.expected]
    taken = [
        number
        for output in outputs
        for number in taken_numbers(output.name, output.version, output.build_string, output.build_number, filenames)
    ]
    number = free_number(max(output.build_number for output in outputs), taken)
    return {output.name: number for output in outputs}


def _request(
    forge: ForgeOnDisk, variant: PackageVariant, expected: Expected, numbers: Mapping[str, int]
) -> BuildRequest:
    output = expected.output
    recipe = forge.catalog.packages[variant.id.package].recipe
    assert recipe is not None, "a package variant with outputs has a recipe"
    number = numbers[output.name]
    raised = number != output.build_number
    lacks_number = not output.build_string.endswith(f"_{output.build_number}")
    record = Record(
        package=variant.id.package,
        partition=variant.id.partition,
        input_digest=expected.input_digest,
        parts=expected.parts,
        recipe_number=output.build_number,
    )
    return BuildRequest(
        recipe=forge.recipe_path(variant.id.package),
        recipe_sha256=recipe.sha256,
        output=output,
        record=record,
        number=number if raised else None,
        string_suffix=f"_{number}" if raised and lacks_number else None,
    )


def _place(forge: ForgeOnDisk, folder: Path, own: list[str]) -> BuildPlace:
    folder.mkdir(parents=True)
    for channel in (forge.staging, *(channel for _, channel in forge.targets)):
        if isinstance(channel, FolderChannel):
            # A target that cannot be written is a fault of the upload, not of the build.
            with suppress(ForgeError) if channel is not forge.staging else nullcontext():
                channel.create()
    return BuildPlace(
        folder=folder,
        cache=forge.engine_cache,
        channels=(*own, *forge.solve_channels),
        variant_files=forge.variant_files,
        platform=forge.forge.platform,
        limits=forge.build_limits,
    )


def _test(
    forge: ForgeOnDisk, expected: Expected, package: BuiltPackage, place: BuildPlace, write: OnLog
) -> tuple[TestOutcome, ...]:
    tests = expected.output.rendered.get("tests") or []
    if not tests:
        return ()
    return run_package_tests(package.file, tests, replace(place, limits=forge.test_limits), write)


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
