"""How a build passes the gate: its files go to staging with their records, or equal files that are there get one."""

from __future__ import annotations

from wvforge_dagster.build.builder import BuiltPackage
from wvforge_dagster.build.inspect import read_package
from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.findings import CheckResult, blocking
from wvforge_dagster.core.state import Expected
from wvforge_dagster.orchestration.attempt import Attempt
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.gate import entry_of, read_records, write_record
from wvforge_dagster.orchestration.package_checking import check_package
from wvforge_dagster.orchestration.staging import bring

_UNLISTED = ("info/link.json",)
"""What an installer goes by and no content digest is made of."""


def stage(
    forge: ForgeOnDisk,
    expected: tuple[Expected, ...],
    built: list[BuiltPackage],
    checks: list[tuple[CheckResult, ...]],
) -> None:
    """Put what was built into staging, all at once, each with the record that it passed."""
    entries = [entry_of(package.artifact) for package in built]
    for entry, item, results in zip(entries, expected, checks, strict=True):
        # Before the file, so that one that was staged by a process that was killed then has its record.
        if not (forge.staging.path / entry.subdir / entry.filename).exists():
            write_record(forge, entry, item, results)
    for entry, item, results in zip(
        forge.staging.publish([package.file for package in built]), expected, checks, strict=True
    ):
        write_record(forge, entry, item, results)


def vouch_for(
    attempt: Attempt,
    expected: tuple[Expected, ...],
    built: list[BuiltPackage],
    equal: tuple[Artifact, ...],
    checks: list[tuple[CheckResult, ...]],
) -> bool:
    """Record that packages which are there passed the tests and checks that equal new ones passed.

    Equal are so far the lists in them. That a very file has the content that it lists is one of the checks: one without a
    record that lets it pass, and which does not pass them now, is not equal, and the new one is staged. Nor is one with other
    entry points, which are in no list.
    """
    forge = attempt.forge
    found = []
    for position, (item, entry) in enumerate(zip(expected, bring(forge, equal), strict=True)):
        results = checks[position]
        settings = forge.forge.checks.of(attempt.package)
        if not any(record.lets_pass(entry.sha256, settings) for record in read_records(forge, entry)):
            file = forge.staging.fetch(entry, attempt.work)
            place = attempt.place(f"equal-{position}", [], for_tests=True)
            results = check_package(file, item, place, attempt.write, attempt.beside)
            if read_package(file.path, _UNLISTED) != read_package(built[position].file.path, _UNLISTED):
                attempt.write("warn", f"{entry.filename} is not taken for equal: its {_UNLISTED[0]} is another")
                return False
        if stopped := blocking(results, settings):
            attempt.write("warn", f"{entry.filename} is not taken for equal: {stopped[0]}")
            return False
        found.append((entry, item, results))
    for entry, item, results in found:
        write_record(forge, entry, item, results)
    return True
