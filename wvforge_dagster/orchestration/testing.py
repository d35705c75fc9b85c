"""Testing the packages of a package variant again, which are there already."""

from __future__ import annotations

from dataclasses import replace

from wvforge_dagster.build.retest import Retest, retest
from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.catalog import PackageVariant
from wvforge_dagster.core.state import Status
from wvforge_dagster.orchestration.attempt import attempt_of
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.made import Made, OnLog
from wvforge_dagster.orchestration.staging import bring


def test_again(
    forge: ForgeOnDisk, variant: PackageVariant, status: Status, column: tuple[Artifact, ...], on_log: OnLog
) -> Made:
    """Run the tests of all outputs on the packages that are there, and note beside them that they passed.

    Raises:
        MakeFailed: if a test fails.
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


test_again.__test__ = False  # type: ignore[attr-defined]  # it is no test
