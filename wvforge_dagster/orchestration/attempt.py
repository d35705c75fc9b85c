"""One attempt to make a package variant: its folder, its log, and what becomes of its faults."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from wvforge_dagster.build.builder import BuildFailed, BuildPlace, BuiltPackage, TestOutcome, remove_folder
from wvforge_dagster.build.compiler_cache import CompilerCache
from wvforge_dagster.build.materials import COLUMN
from wvforge_dagster.build.sandbox import Sandbox
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.channels.folder_view import make_view
from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.device_code import DeviceCode
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.findings import CheckResult, blocking, failure_of_checks
from wvforge_dagster.core.history import Measure
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.gate import device_code_of
from wvforge_dagster.orchestration.isolation import compiler_cache_of, isolation_warning, sandbox_of
from wvforge_dagster.orchestration.made import MakeFailed, OnLog
from wvforge_dagster.orchestration.shares import share_of_machine
from wvforge_dagster.orchestration.staging import bring


@dataclass
class Attempt:
    """One attempt to make a package variant: its folder, its log, and the tests that ran.

    Attributes:
        beside: the device code of the forge's packages that it may use, by package and by library.
    """

    forge: ForgeOnDisk
    work: Path
    log: Path
    write: OnLog
    own_channels: list[str]
    package: str
    sandbox: Sandbox | None
    beside: Mapping[str, Mapping[str, DeviceCode]] = field(default_factory=dict)
    compiler_cache: CompilerCache | None = None
    started: float = field(default_factory=time.monotonic)
    tests: list[tuple[str, TestOutcome]] = field(default_factory=list)
    checks: list[tuple[str, CheckResult]] = field(default_factory=list)

    def place(self, name: str, channels: list[str], *, for_tests: bool = False) -> BuildPlace:
        """A new folder below the attempt's, with what a build or a test in it may use; `channels` come first."""
        folder = self.work / name
        folder.mkdir(parents=True)
        return BuildPlace(
            folder=folder,
            cache=self.forge.engine_cache,
            channels=(*channels, *self.own_channels, *self.forge.solve_channels),
            variant_files=self.forge.variant_files,
            platform=self.forge.platform_of(self.package),
            limits=(self.forge.test_limits if for_tests else self.forge.build_limits)(self.package),
            sandbox=self.sandbox,
            architectures=self.forge.forge.architectures,
            compiler_cache=self.compiler_cache,
        )

    def raise_failed(self) -> None:
        """Raise the first failure of the tests, if one failed; else that of the checks, if one blocks.

        Raises:
            BuildFailed: with that failure.
        """
        failed = next((outcome.failure for _, outcome in self.tests if outcome.failure), None)
        if failed is not None:
            raise BuildFailed(failed)
        kept_back = blocking((result for _, result in self.checks), self.forge.forge.checks.of(self.package))
        if kept_back:
            raise BuildFailed(failure_of_checks(kept_back))

    def failed(self, failure: Failure) -> MakeFailed:
        """This attempt's end by a failure, with the tests and checks that ran."""
        return MakeFailed(failure, tuple(self.tests), tuple(self.checks))

    def measure(self, built: list[BuiltPackage]) -> Measure:
        """What it took so far: wall time, and the memory of the build that held most."""
        return Measure(time.monotonic() - self.started, max(package.memory for package in built))

    def seconds(self, built: list[BuiltPackage]) -> dict[str, float]:
        """Seconds of each phase, summed over what was built, and of the tests."""
        found: dict[str, float] = {"test": sum(outcome.seconds for _, outcome in self.tests)}
        for package in built:
            for phase, value in package.seconds.items():
                found[phase] = found.get(phase, 0.0) + value
        return found


@contextmanager
def attempt_of(
    forge: ForgeOnDisk, identity: VariantId, column: tuple[Artifact, ...], on_log: OnLog
) -> Iterator[Attempt]:
    """Everything that can go wrong in it becomes a `MakeFailed` with the tests that ran and the log's place.

    It has its share of the machine from the beginning to the end, and waits for it before.

    The work folder is removed at the end; after a script that failed it stays until the next attempt, for the one who looks
    into it: the engine's log says how to run the script there.
    """
    waiting = share_of_machine(forge, identity.package, lambda words: on_log("info", f"{identity} {words}"))
    with waiting, _attempt(forge, identity, column, on_log) as attempt:
        yield attempt


@contextmanager
def _attempt(forge: ForgeOnDisk, identity: VariantId, column: tuple[Artifact, ...], on_log: OnLog) -> Iterator[Attempt]:
    log = forge.log_folder(identity) / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    shown_log = log.relative_to(forge.output).as_posix()
    work = forge.work_folder(identity)
    remove_folder(work)
    attempt = Attempt(forge, work, log, on_log, [], identity.package, None)
    keep = False
    try:
        with log.open("w", encoding="utf-8", errors="backslashreplace") as stream:
            attempt.write = _both(stream, on_log)
            attempt.sandbox = sandbox_of(forge)
            attempt.compiler_cache = compiler_cache_of(forge)
            if (warning := isolation_warning(forge)) is not None:
                attempt.write("warn", str(warning))
            _create_channels(forge)
            if column:
                entries = bring(forge, column)
                files = [(entry.subdir, entry.filename) for entry in entries]
                attempt.beside = {entry.name: device_code_of(forge, entry) for entry in entries}
                attempt.own_channels.append(make_view(forge.staging.path, files, work / COLUMN))
            yield attempt
    except BuildFailed as error:
        keep = error.failure.failure_class is FailureClass.SCRIPT
        failure = replace(error.failure, log=shown_log)
        raise attempt.failed(failure) from None
    except ForgeError as error:
        raise attempt.failed(Failure(FailureClass.OTHER, str(error), log=shown_log)) from None
    except OSError as error:
        failure = Failure(
            FailureClass.OTHER, f"{error.filename or forge.output}: {error.strerror or error}", log=shown_log
        )
        raise attempt.failed(failure) from None
    finally:
        if not keep:
            remove_folder(work)


def _create_channels(forge: ForgeOnDisk) -> None:
    for channel in (forge.staging, *(channel for _, channel in forge.targets)):
        if isinstance(channel, FolderChannel):
            # A target that cannot be written is a fault of the upload, not of the build.
            with suppress(ForgeError) if channel is not forge.staging else nullcontext():
                channel.create()


def _both(stream: IO[str], on_log: OnLog) -> OnLog:
    def write(level: str, line: str) -> None:
        stream.write(f"{line}\n" if level == "info" else f"{level}: {line}\n")
        stream.flush()
        on_log(level, line)

    return write
