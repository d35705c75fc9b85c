"""The package checks as asset checks of a package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import dagster as dg

from wvforge_dagster.core.catalog import Package
from wvforge_dagster.core.findings import CheckResult, Finding
from wvforge_dagster.core.severity import CHECKS, SURE, Severity
from wvforge_dagster.orchestration.keys import package_key

PREFIX = "check_"
"""Before the names of the package checks, which no test of a recipe has."""


def gate_specs(
    package: Package, settings: Mapping[str, str], partitions: dg.PartitionsDefinition | None
) -> Iterator[dg.AssetCheckSpec]:
    """One for each package check that is not off. A finding that is only a warning blocks nothing, whatever its check."""
    if package.recipe is None:
        return
    for name, question in CHECKS.items():
        if settings.get(name) != "off":
            yield dg.AssetCheckSpec(
                name=check_name(name),
                asset=package_key(package.name),
                description=f"{question} (checks.{name} in forge.yaml: {settings.get(name) or 'as each finding weighs'})",
                blocking=settings.get(name, "error" if name in SURE else "warning") == "error",
                partitions_def=partitions,
            )


def gate_results(
    package: Package, settings: Mapping[str, str], checks: tuple[tuple[str, CheckResult], ...]
) -> Iterator[dg.AssetCheckResult]:
    """A result for each package check that ran: over all outputs and variants of the partition."""
    by_name: dict[str, list[tuple[str, CheckResult]]] = {}
    for output, result in checks:
        by_name.setdefault(result.name, []).append((output, result))
    for name, results in by_name.items():
        if settings.get(name) == "off":
            continue
        weights = [result.severity(settings) for _, result in results]
        found = [(output, finding) for output, result in results for finding in result.findings]
        yield dg.AssetCheckResult(
            asset_key=package_key(package.name),
            check_name=check_name(name),
            passed=not found,
            severity=dg.AssetCheckSeverity.ERROR if Severity.ERROR in weights else dg.AssetCheckSeverity.WARN,
            description="; ".join(str(result) for _, result in results if result.findings) or None,
            metadata={"findings": _table(found, settings.get(name))} if found else {},
        )


def check_name(check: str) -> str:
    """The name of a package check in Dagster."""
    return PREFIX + check.replace("-", "_")


def _table(found: list[tuple[str, Finding]], setting: str | None) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "output": output,
                    "file": finding.file,
                    "finding": finding.what,
                    "severity": setting or finding.severity.value,
                }
            )
            for output, finding in found
        ]
    )
