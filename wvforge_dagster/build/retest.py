"""Running changed tests on a package that is built already.

The engine runs the tests that a package carries, and a built package carries the old ones. So it builds one that holds nothing
but the new tests and requires exactly the package that is tested; the tests run in an environment with both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wvforge_dagster.build.builder import BuildPlace, OnLog, TestOutcome, run_package_tests
from wvforge_dagster.build.carrier import build_carrier, copy_for_carrier
from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.recipe import Output

SUFFIX = "-wvforge-tests"


@dataclass(frozen=True)
class Retest:
    """Tests to run on a package.

    Attributes:
        artifact: the package; one of the place's channels holds it.
        output: whose rendered recipe has the tests.
        recipe_folder: where the files lie that the tests name.
    """

    artifact: Artifact
    output: Output
    recipe_folder: Path


def retest(request: Retest, place: BuildPlace, on_log: OnLog) -> tuple[TestOutcome, ...]:
    """Run the tests of an output on a package, in order; without ``package_contents``, which belong to the build.

    Raises:
        BuildFailed: if they cannot be run to their end.
    """
    tests = [test for test in request.output.rendered.get("tests") or [] if "package_contents" not in test]
    if not tests:
        return ()
    folder = place.folder / "carrier"
    copy_for_carrier(request.recipe_folder, folder)
    building = replace(place, folder=place.folder / "build", variant_files=())
    sources = request.output.rendered.get("source")
    built = build_carrier(folder / "recipe.yaml", _carrier(request, tests), sources, building, on_log)
    return run_package_tests(built.file, tests, place, on_log)


def _carrier(request: Retest, tests: list[dict[str, Any]]) -> dict[str, Any]:
    """The recipe of a package with nothing but tests."""
    tested = request.artifact
    recipe: dict[str, Any] = {
        # The engine renders scripts last of all: in a rendered recipe their expressions stand as they were written.
        "context": dict(request.output.variant) | (request.output.rendered.get("context") or {}),
        "package": {"name": tested.name + SUFFIX, "version": tested.version},
        "build": {"noarch": "generic", "script": ["true"], "string": "tests_0"},
        "requirements": {"run": [f"{tested.name} =={tested.version} {tested.build}"]},
        "tests": tests,
        "about": {"license": "LicenseRef-none"},
    }
    if any("source" in (test.get("files") or {}) for test in tests):
        recipe["source"] = request.output.rendered.get("source")
    return recipe
