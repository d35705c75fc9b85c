"""Running the package checks on one file: of a build that just came out, or of a package that is there."""

from __future__ import annotations

from collections.abc import Mapping

from wvforge_dagster.build.builder import BuildPlace, OnLog
from wvforge_dagster.build.installed import accepts, find_libraries
from wvforge_dagster.build.look import look_into
from wvforge_dagster.core.architectures import Architecture
from wvforge_dagster.core.device_code import ARCHITECTURES, DeviceCode, check_architectures, to_seen
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
from wvforge_dagster.core.pins import check_pins, parts_of_spec, series_of
from wvforge_dagster.core.state import Expected

Beside = Mapping[str, Mapping[str, DeviceCode]]
"""The device code of the forge's packages of the same column, by package and by library."""


def check_package(
    file: PackageFile, expected: Expected, place: BuildPlace, on_log: OnLog, beside: Beside
) -> tuple[CheckResult, ...]:
    """What every check finds in a package of an output; also those that forge.yaml turns off, which may be turned on later.

    Run it after the tests: their environments bring the packages that tell which libraries the run requirements have.

    Raises:
        BuildFailed: if it is no whole package, or reading it takes more than the place's limits.
    """
    return check_facts(look_into(file, place, on_log), file, expected, place, beside)


def check_facts(
    facts: PackageFacts, file: PackageFile, expected: Expected, place: BuildPlace, beside: Beside
) -> tuple[CheckResult, ...]:
    """`check_package` of a package that was read through."""
    output = expected.output
    variant = dict(output.variant)
    required = {name: beside[name] for name in sorted(beside.keys() & {parts_of_spec(s)[0] for s in facts.depends})}
    last = expected.last.size if expected.last and expected.last.sha256 != file.sha256 else None
    found = {
        "license": check_license(facts),
        "prefix": check_prefix(facts),
        "build-paths": check_build_paths(facts),
        "places": check_places(facts, series_of(variant.get("python"))),
        "contents": check_contents(facts),
        "libraries": check_libraries(facts, find_libraries(facts, place.cache)),
        "pins": check_pins(facts, variant, accepts),
        ARCHITECTURES: check_architectures(facts.device_code, _declared(place, variant), required),
        "size": check_size(facts, last),
        "tests": check_tests(output.rendered.get("tests") or []),
    }
    seen = {ARCHITECTURES: to_seen(facts.device_code)}
    return tuple(CheckResult.of(name, findings, seen.get(name)) for name, findings in found.items())


def _declared(place: BuildPlace, variant: Mapping[str, str]) -> tuple[Architecture, ...]:
    """The architectures for the CUDA release of a variant; none where it has none."""
    release = series_of(variant.get("cuda_version"))
    return place.architectures.of(release) if release else ()
