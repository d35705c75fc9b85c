"""Building a package variant: all its outputs, tested, checked, and staged at once; or a note, where they came out equal."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from wvforge_dagster.build.builder import (
    BuildFailed,
    BuildRequest,
    BuiltPackage,
    build_output,
    remove_folder,
)
from wvforge_dagster.build.compiler_cache import PROGRAM as CACHE_NAME
from wvforge_dagster.build.compiler_cache import CacheUse
from wvforge_dagster.build.look import look_and_test
from wvforge_dagster.build.machine import recorded_parts
from wvforge_dagster.build.materials import SIBLINGS
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.core.artifact import RECORD_KEY, Artifact, Record
from wvforge_dagster.core.catalog import PackageVariant, VariantId
from wvforge_dagster.core.errors import ForgeError, UnreachableError
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.findings import CheckResult, blocking
from wvforge_dagster.core.inputs import git_source_key
from wvforge_dagster.core.package_file import PackageFile
from wvforge_dagster.core.recipe import Output
from wvforge_dagster.core.siblings import whole_variant
from wvforge_dagster.core.state import Expected, Status
from wvforge_dagster.orchestration.attempt import Attempt, attempt_of
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk, partition_folder
from wvforge_dagster.orchestration.isolation import isolation_name
from wvforge_dagster.orchestration.locks import refuse_if_lost
from wvforge_dagster.orchestration.made import Made, OnLog
from wvforge_dagster.orchestration.numbering import build_number
from wvforge_dagster.orchestration.package_checking import check_facts
from wvforge_dagster.orchestration.recipe_files import recipe_files
from wvforge_dagster.orchestration.staged_builds import stage, vouch_for
from wvforge_dagster.orchestration.staging import bring

CACHE_PART = "compiler cache"
"""The recorded part of packages that were compiled with one; it never binds."""

FETCH_PAUSES = (1.0, 4.0)
"""Seconds between the attempts to fetch a source, where the engine makes one only."""

STAGING_PAUSES = (30.0, 60.0, 120.0, 300.0, 600.0, 900.0)
"""Seconds between the attempts to stage what was built."""

_IN_VAIN = re.compile(r"checksum|hash|sha256|md5|is commit|after \d+ retries", re.IGNORECASE)
"""Reasons of a fetch that tells nothing new when it is made once more: a wrong source, and one that the engine, which makes
four attempts at an address that does not answer, has tried again itself."""


def build_variant(
    forge: ForgeOnDisk, variant: PackageVariant, status: Status, column: tuple[Artifact, ...], on_log: OnLog
) -> Made:
    """Build, test and stage the outputs of a package variant; all of them, or none.

    An output that another partition has built already from the same inputs is taken as it is (`_to_build`).

    Args:
        column: the forge's own packages that the build may use.

    Raises:
        MakeFailed: if it cannot be built, or a test or a blocking check fails; then nothing was staged.
    """
    built: list[BuiltPackage] = []
    checks: list[tuple[CheckResult, ...]] = []
    with attempt_of(forge, variant.id, column, on_log) as attempt:
        wanted, number = _to_build(forge, variant, status)
        siblings = FolderChannel(attempt.work / SIBLINGS, label=SIBLINGS)
        kept = [item.found for item in status.expected if item.found and item not in wanted]
        for entry in bring(forge, kept):
            path = forge.staging.path / entry.subdir / entry.filename
            siblings.publish([PackageFile.read(path, entry.subdir)])
            attempt.write(
                "info", f"{entry.filename} is there already: another partition of {variant.id.package} has it too"
            )
        for position, expected in enumerate(wanted):
            request = build_request(forge, variant, expected, number)
            channels = [siblings.url] if built or kept else []
            package = build_patiently(attempt, request, str(position), channels)
            _check_sources(forge, variant, expected)
            built.append(package)
            # What runs next gets a folder that no script has written to.
            place = attempt.place(f"{position}-tests", channels, for_tests=True)
            tests = expected.output.rendered.get("tests") or []
            facts, outcomes = look_and_test(package.file, tests, place, attempt.write)
            attempt.tests += [(expected.output.name, outcome) for outcome in outcomes]
            passed = not any(outcome.failure for outcome in outcomes)
            if passed:
                # After the tests, whose environments tell which libraries the run requirements have.
                checks.append(check_facts(facts, package.file, expected, place, attempt.beside))
                attempt.checks += [(expected.output.name, result) for result in checks[-1]]
                passed = not blocking(checks[-1], forge.forge.checks.of(variant.id.package))
            if not passed:
                _keep_aside(forge, variant.id, package.file)
                break
            if len(wanted) > 1:
                siblings.publish([package.file])
        attempt.raise_failed()
        equal = _equal_packages(wanted, built)
        if equal is not None and not vouch_for(attempt, wanted, built, equal, checks):
            equal = None
        if equal is None:
            attempt.write("info", f"staging {', '.join(package.file.filename for package in built)}")
            _stage_patiently(attempt, variant.id, lambda: stage(forge, wanted, built, checks))
            artifacts, outcome = tuple(package.artifact for package in built), "built"
        else:
            artifacts = equal
            outcome = f"built, and came out equal to {', '.join(item.filename for item in equal)}, which stays"
            attempt.write("info", outcome)
            for entry, package in zip(bring(forge, equal), built, strict=True):
                record = package.artifact.record
                assert record is not None, "a package that was just built carries its record"
                note = replace(record, environments=package.environments.to_json())
                forge.staging.add_notes(entry, [note.to_extra()])
        made = dict(zip((id(item) for item in wanted), artifacts, strict=True))
        whole = (made.get(id(item)) or item.found for item in status.expected)
        return Made(
            tuple(artifact for artifact in whole if artifact is not None),
            status.reason,
            outcome,
            tests=tuple(attempt.tests),
            checks=tuple(attempt.checks),
            seconds=attempt.seconds(built),
            log=attempt.log,
            measure=attempt.measure(built),
            cache_use=_cache_use(built),
        )


def _to_build(forge: ForgeOnDisk, variant: PackageVariant, status: Status) -> tuple[tuple[Expected, ...], int]:
    """The outputs that are built, in dependency order, and their build number.

    An output that is there from the same inputs, built by another partition of its package, is not built again, if the new
    ones get its number: they may pin it exactly, and such a pin has the number of the recipe that they are built from.

    Raises:
        ForgeError: see `build_number`.
    """
    lacking = tuple(item for item in status.expected if item.found is None)
    there = [item for item in status.expected if item.found is not None]
    if lacking and there and all(item.tested for item in there):
        number = build_number(forge, variant, lacking)
        if all(item.found and item.found.build_number == number for item in there):
            return lacking, number
    return status.expected, build_number(forge, variant, status.expected)


def build_patiently(attempt: Attempt, request: BuildRequest, name: str, channels: list[str]) -> BuiltPackage:
    """Build an output; a source that cannot be fetched is tried again after growing pauses, unless that is in vain."""
    for pause in FETCH_PAUSES:
        place = attempt.place(name, channels)
        try:
            return build_output(request, place, attempt.write)
        except BuildFailed as error:
            if error.failure.failure_class is not FailureClass.FETCH or _IN_VAIN.search(error.failure.reason):
                raise
            attempt.write("warn", f"{error.failure.reason}; tried again in {pause:.0f} s")
            remove_folder(place.folder)
            time.sleep(pause)
    return build_output(request, attempt.place(name, channels), attempt.write)


def _stage_patiently(attempt: Attempt, identity: VariantId, put: Callable[[], None]) -> None:
    """Stage what was built. Where a staging channel that machines share does not answer, hours of compiling are waited for."""
    for pause in (*STAGING_PAUSES, 0.0):
        try:
            refuse_if_lost(attempt.forge, identity)
            put()
        except UnreachableError as fault:
            if not pause:
                raise
            attempt.write("warn", f"{fault}; tried again in {pause:.0f} s")
            time.sleep(pause)
        else:
            return


def _check_sources(forge: ForgeOnDisk, variant: PackageVariant, expected: Expected) -> None:
    """A ``path`` source that was changed while it was built must not get in under the old digest."""
    now = recipe_files(forge, forge.catalog.packages[variant.id.package]).sources
    for path, digest in now.items():
        if expected.parts["sources"].get(path, digest) != digest:
            reason = f"source {path}: was changed while it was built; build it again"
            raise BuildFailed(Failure(FailureClass.INTERRUPTED, reason))


def _equal_packages(expected: tuple[Expected, ...], built: list[BuiltPackage]) -> tuple[Artifact, ...] | None:
    """The packages in the channels that the new ones are equal to in content, one for each output; None if one has none.

    A recipe whose build number was raised asks for a new package, equal or not.
    """
    found = []
    for item, package in zip(expected, built, strict=True):
        equal = [
            rival
            for rival in item.rivals
            if rival.content == package.artifact.content and rival.build_number >= item.output.build_number
        ]
        if not equal:
            return None
        found.append(max(equal, key=lambda rival: rival.build_number))
    return tuple(found)


def build_request(forge: ForgeOnDisk, variant: PackageVariant, expected: Expected, number: int) -> BuildRequest:
    """What to build of one output of a package variant, under a build number."""
    output = expected.output
    recipe = forge.catalog.packages[variant.id.package].recipe
    assert recipe is not None, "a package variant with outputs has a recipe"
    raised = number != output.build_number
    lacks_number = not output.build_string.endswith(f"_{output.build_number}")
    record = Record(
        package=variant.id.package,
        partition=variant.id.partition,
        input_digest=expected.input_digest,
        parts=expected.parts,
        tests=expected.tests,
        # Whose objects are in it is asked of a package that somebody has to trust.
        recorded=recorded_parts(isolation_name(forge))
        | ({CACHE_PART: CACHE_NAME} if forge.forge.compiler_cache else {}),
        recipe_number=output.build_number,
    )
    commits = (expected.parts["sources"][git_source_key(source)] for source in output.sources if "git" in source)
    return BuildRequest(
        recipe=forge.recipe_path(variant.id.package),
        recipe_sha256=recipe.sha256,
        output=output,
        record=record,
        number=number if raised else None,
        string_suffix=f"_{number}" if raised and lacks_number else None,
        commits=tuple(commit.removeprefix("commit ") for commit in commits),
        variant=whole_variant(output, recipe.outputs),
        network=forge.forge.network and _wants_network(forge, output, variant),
    )


def _wants_network(forge: ForgeOnDisk, output: Output, variant: PackageVariant) -> bool:
    """What the recipe says of it under ``extra``."""
    own = output.own or {}
    wanted = own.get("network", True) if isinstance(own, Mapping) else own
    if not isinstance(wanted, bool):
        where = f"{forge.recipe_path(variant.id.package)}: extra.{RECORD_KEY}"
        raise ForgeError(f"{own!r} is wrong", where=where, remedy=f"write {RECORD_KEY}: {{network: false}}")
    return wanted


def _cache_use(built: list[BuiltPackage]) -> CacheUse | None:
    found = [package.cache_use for package in built if package.cache_use is not None]
    return sum(found, CacheUse()) if found else None


def _keep_aside(forge: ForgeOnDisk, identity: VariantId, file: PackageFile) -> None:
    """Keep a package whose test or check failed, for the one who looks into it. No build solves against this folder."""
    folder = forge.output / "aside" / identity.package / partition_folder(identity.partition)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file.path, folder / file.filename)
