"""Testing the packages of a package variant again, which are there already."""

from __future__ import annotations

from dataclasses import replace

from wvforge_dagster.build.builder import BuildFailed
from wvforge_dagster.build.retest import Retest, retest
from wvforge_dagster.channels.protocol import ChannelEntry
from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.catalog import PackageVariant
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.state import Expected, Status
from wvforge_dagster.orchestration.attempt import attempt_of
from wvforge_dagster.orchestration.evidence import channel_entries
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.gate import read_records, write_record
from wvforge_dagster.orchestration.made import Made, OnLog
from wvforge_dagster.orchestration.package_checking import check_package
from wvforge_dagster.orchestration.staging import bring


def test_again(
    forge: ForgeOnDisk, variant: PackageVariant, status: Status, column: tuple[Artifact, ...], on_log: OnLog
) -> Made:
    """Run the tests and the package checks of all outputs on the packages that are there, and note beside them that they
    passed.

    Raises:
        MakeFailed: if a test or a blocking check fails.
    """
    with attempt_of(forge, variant.id, (*column, *status.artifacts), on_log) as attempt:
        for position, expected in enumerate(status.expected):
            found = expected.found
            assert found is not None, "only what is there is tested again"
            place = attempt.place(str(position), [], for_tests=True)
            request = Retest(found, expected.output, forge.recipe_path(variant.id.package).parent)
            outcomes = retest(request, place, attempt.write)
            attempt.tests += [(expected.output.name, outcome) for outcome in outcomes]
        attempt.raise_failed()
        entries = bring(forge, status.artifacts)
        checks = []
        for position, (entry, expected) in enumerate(zip(entries, status.expected, strict=True)):
            place = attempt.place(f"check-{position}", [], for_tests=True)
            file = forge.staging.fetch(entry, attempt.work)
            checks.append(check_package(file, expected, place, attempt.write, attempt.beside))
            attempt.checks += [(expected.output.name, result) for result in checks[-1]]
        attempt.raise_failed()
        for entry, expected, results in zip(entries, status.expected, checks, strict=True):
            if _is_proven(forge, entry, expected):
                write_record(forge, entry, expected, results)
            assert expected.found is not None
            now = expected.found.records[-1]
            forge.staging.add_notes(entry, [replace(now, tests=expected.tests, environments={}).to_extra()])
        return Made(
            status.artifacts,
            status.reason,
            "tested",
            tests=tuple(attempt.tests),
            checks=tuple(attempt.checks),
            seconds=attempt.seconds([]),
            log=attempt.log,
        )


def _is_proven(forge: ForgeOnDisk, entry: ChannelEntry, expected: Expected) -> bool:
    """Whether nothing is left that a file has to pass: ``package_contents`` cannot be run again on one that is there.

    A file of that kind that has no record of its build gets one by a build that comes out equal.

    Raises:
        BuildFailed: if something is left, and no target holds the file: nobody ever saw it pass.
    """
    if not any("package_contents" in test for test in expected.output.rendered.get("tests") or []):
        return True
    if read_records(forge, entry):
        return True
    if not any(entry in channel_entries(forge, channel) for _, channel in forge.targets):
        reason = (
            f"{entry.filename}: nothing shows that this very file passed package_contents; build it again with --force"
        )
        raise BuildFailed(Failure(FailureClass.CHECK, reason))
    return False


test_again.__test__ = False  # type: ignore[attr-defined]  # it is no test
