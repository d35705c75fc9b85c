"""A recipe's tests as asset checks of its package."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from wvforge_dagster.build.builder import TestOutcome
from wvforge_dagster.core.catalog import Package
from wvforge_dagster.core.test_names import test_names
from wvforge_dagster.orchestration.keys import package_key
from wvforge_dagster.orchestration.made import Made, MakeFailed


def check_names(package: Package) -> tuple[str, ...]:
    """Names of the tests of all outputs in all variants; with the output's name where there are several."""
    if package.recipe is None:
        return ()
    several = len(package.recipe.output_names) > 1
    names: dict[str, None] = {}
    last: tuple[str, object] = ("", None)
    for output in package.recipe.outputs:
        tests = output.rendered.get("tests") or []
        if last == (output.name, tests):
            continue
        last = (output.name, tests)
        for name in test_names(tests):
            names[_check_name(output.name, name, several=several)] = None
    return tuple(names)


def _check_name(output: str, test: str, *, several: bool) -> str:
    return f"{output}_{test}".replace("-", "_").replace(".", "_") if several else test


def selected(
    context: dg.AssetExecutionContext, results: Iterator[dg.AssetCheckResult]
) -> Iterator[dg.AssetCheckResult]:
    """The results of the checks that the run has selected."""
    for result in results:
        assert result.asset_key is not None and result.check_name is not None
        if dg.AssetCheckKey(result.asset_key, result.check_name) in context.selected_asset_check_keys:
            yield result


def passed_checks(package: Package, made: Made) -> Iterator[dg.AssetCheckResult]:
    """A result for each test that ran. Where nothing was built, none ran, and the results of the build stand."""
    yield from _results(package, made.tests)


def failed_checks(package: Package, failed: MakeFailed) -> Iterator[dg.AssetCheckResult]:
    yield from _results(package, failed.tests)


def _results(package: Package, tests: tuple[tuple[str, TestOutcome], ...]) -> Iterator[dg.AssetCheckResult]:
    """One result for each check. Several variants of an output may share a partition: then all have to pass."""
    several = package.recipe is not None and len(package.recipe.output_names) > 1
    by_name: dict[str, list[TestOutcome]] = {}
    for output, outcome in tests:
        by_name.setdefault(_check_name(output, outcome.name, several=several), []).append(outcome)
    for name, outcomes in by_name.items():
        failure = next((outcome.failure for outcome in outcomes if outcome.failure), None)
        details = failure.details if failure else ""
        yield dg.AssetCheckResult(
            asset_key=package_key(package.name),
            check_name=name,
            passed=failure is None,
            description=failure.reason if failure else None,
            metadata={"seconds": round(sum(outcome.seconds for outcome in outcomes), 3)}
            | ({"output": dg.MetadataValue.text(details)} if details else {}),
        )
