"""The package checks as one asset check of a package: its table has a row for each of them and for all that they found.

One for all: each asset check is planned and evaluated in every run of every partition, and each of these events takes Dagster
as long as a check.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import dagster as dg

from wvforge_dagster.core.catalog import Package
from wvforge_dagster.core.device_code import ARCHITECTURES, from_seen
from wvforge_dagster.core.findings import CheckResult, Severity
from wvforge_dagster.core.severity import CHECKS
from wvforge_dagster.orchestration.keys import package_key

PACKAGE_CHECKS = "package_checks"
"""The name of the asset check, which no test of a recipe has."""


def package_check_specs(package: Package, partitions: dg.PartitionsDefinition | None) -> Iterator[dg.AssetCheckSpec]:
    """The asset check of a package that has a recipe."""
    if package.recipe is not None:
        yield dg.AssetCheckSpec(
            name=PACKAGE_CHECKS,
            asset=package_key(package.name),
            description="What was found in the built package: " + ", ".join(CHECKS) + ".",
            # A result that is only a warning blocks nothing.
            blocking=True,
            partitions_def=partitions,
        )


def package_check_results(
    package: Package, settings: Mapping[str, str], checks: tuple[tuple[str, CheckResult], ...]
) -> Iterator[dg.AssetCheckResult]:
    """The result, over all outputs and variants of the partition, if checks ran.

    Args:
        checks: what each found, with the name of the output.
    """
    shown = [(output, result) for output, result in checks if settings.get(result.name) != "off"]
    if not shown:
        return
    weights = {result.severity(settings) for _, result in shown}
    found = [str(result) for _, result in shown if result.findings]
    yield dg.AssetCheckResult(
        asset_key=package_key(package.name),
        check_name=PACKAGE_CHECKS,
        passed=not found,
        severity=dg.AssetCheckSeverity.ERROR if Severity.ERROR in weights else dg.AssetCheckSeverity.WARN,
        description="; ".join(found) or None,
        metadata={
            "checks": dg.MetadataValue.table(
                [record for output, result in shown for record in _rows(output, result, settings.get(result.name))]
            ),
            **_architectures(shown),
        },
    )


def _architectures(shown: list[tuple[str, CheckResult]]) -> dict[str, dg.TableMetadataValue]:
    """The device code of each library; nothing where there is none."""
    rows = [
        dg.TableRecord({"library": path, "code": ", ".join(code.sass), "PTX": ", ".join(code.ptx), "output": output})
        for output, result in shown
        if result.name == ARCHITECTURES
        for path, code in from_seen(result.seen).items()
    ]
    return {"architectures": dg.MetadataValue.table(rows)} if rows else {}


def _rows(output: str, result: CheckResult, setting: str | None) -> list[dg.TableRecord]:
    """What a check found, or that it passed."""
    rows = [
        {"result": setting or finding.severity.value, "file": finding.file, "finding": finding.what}
        for finding in result.findings
    ] or [{"result": "passed", "file": "", "finding": ""}]
    return [dg.TableRecord({"check": result.name, **row, "output": output}) for row in rows]
