"""A recipe's tests as asset checks of its package."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from wvforge_dagster.core.catalog import Package
from wvforge_dagster.core.test_names import test_names
from wvforge_dagster.orchestration.keys import package_key
from wvforge_dagster.orchestration.make import Made, MakeFailed


def check_names(package: Package) -> tuple[str, ...]:
    """Names of the tests of all outputs in all variants; with the output's name where there are several."""
    if package.recipe is None:
        return ()
    several = len(package.recipe.output_names) > 1
    names: dict[str, None] = {}
    for output in package.recipe.outputs:
        for name in test_names(output.rendered.get("tests") or []):
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
    several = package.recipe is not None and len(package.recipe.output_names) > 1
    for output, outcome in made.tests:
        yield dg.AssetCheckResult(
            asset_key=package_key(package.name),
            check_name=_check_name(output, outcome.name, several=several),
            passed=True,
            metadata={"seconds": round(outcome.seconds, 3)},
        )


def failed_checks(package: Package, failed: MakeFailed) -> Iterator[dg.AssetCheckResult]:
    several = package.recipe is not None and len(package.recipe.output_names) > 1
    for output, outcome in failed.tests:
        details = outcome.failure.details if outcome.failure else ""
        yield dg.AssetCheckResult(
            asset_key=package_key(package.name),
            check_name=_check_name(output, outcome.name, several=several),
            passed=outcome.failure is None,
            description=outcome.failure.reason if outcome.failure else None,
            metadata={"seconds": round(outcome.seconds, 3)}
            | ({"output": dg.MetadataValue.text(details)} if details else {}),
        )
