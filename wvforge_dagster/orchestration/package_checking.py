"""Running the package checks on one file: of a build that just came out, or of a package that is there."""

from __future__ import annotations

from wvforge_dagster.build.builder import BuildPlace, OnLog
from wvforge_dagster.build.installed import accepts, find_libraries
from wvforge_dagster.build.look import look_into
from wvforge_dagster.core.findings import CheckResult
from wvforge_dagster.core.libraries import check_libraries
from wvforge_dagster.core.package_checks import (
    check_build_paths,
    check_contents,
    check_license,
    check_places,
    check_prefix,
    check_size,
    check_tests,
)
from wvforge_dagster.core.package_facts import PackageFacts
from wvforge_dagster.core.package_file import PackageFile
from wvforge_dagster.core.pins import check_pins, series_of
from wvforge_dagster.core.state import Expected


def check_package(file: PackageFile, expected: Expected, place: BuildPlace, on_log: OnLog) -> tuple[CheckResult, ...]:
    """What every check finds in a package of an output; also those that forge.yaml turns off, which may be turned on later.

    Run it after the tests: their environments bring the packages that tell which libraries the run requirements have.

    Raises:
        BuildFailed: if it is no whole package, or reading it takes more than the place's limits.
    """
    return check_facts(look_into(file, place, on_log), file, expected, place)


def check_facts(
    facts: PackageFacts, file: PackageFile, expected: Expected, place: BuildPlace
) -> tuple[CheckResult, ...]:
    """`check_package` of a package that was read through."""
    output = expected.output
    variant = dict(output.variant)
    last = expected.last.size if expected.last and expected.last.sha256 != file.sha256 else None
    found = {
        "license": check_license(facts),
        "prefix": check_prefix(facts),
        "build-paths": check_build_paths(facts),
        "places": check_places(facts, series_of(variant.get("python"))),
        "contents": check_contents(facts),
        "libraries": check_libraries(facts, find_libraries(facts, place.cache)),
        "pins": check_pins(facts, variant, accepts),
        "size": check_size(facts, last),
        "tests": check_tests(output.rendered.get("tests") or []),
    }
    return tuple(CheckResult.of(name, findings) for name, findings in found.items())
