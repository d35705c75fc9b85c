"""Building a package variant once more, only to see whether it comes out equal. Nothing of it is staged, tested or recorded.

It is built where every build of it is: the lock makes the work folder its own, and in another folder everything that holds a
path would differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from wvforge_dagster.build.builder import BuiltPackage
from wvforge_dagster.build.compare import Comparison, compare_packages
from wvforge_dagster.build.inspect import Environments, Resolved, read_environments
from wvforge_dagster.build.materials import SIBLINGS
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.locked import Locked, differences
from wvforge_dagster.core.state import UP_TO_DATE, State, Status
from wvforge_dagster.orchestration.attempt import attempt_of
from wvforge_dagster.orchestration.building import build_patiently, build_request
from wvforge_dagster.orchestration.column_files import column_artifacts
from wvforge_dagster.orchestration.evidence import derive_statuses
from wvforge_dagster.orchestration.explain import variants_of
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.locks import variant_lock, wait_for_lock
from wvforge_dagster.orchestration.made import MakeFailed, OnLog
from wvforge_dagster.orchestration.plan import refuse_elsewhere
from wvforge_dagster.orchestration.staging import bring


@dataclass(frozen=True)
class Rebuilt:
    """A package that was built once more.

    Attributes:
        environments: what the two were built in differs by, in lines.
    """

    artifact: Artifact
    comparison: Comparison
    environments: tuple[str, ...]

    @property
    def equal(self) -> bool:
        return self.comparison.equal

    def lines(self) -> Iterator[str]:
        """What differs, for people."""
        found = self.comparison
        differ = [
            *([f"{len(found.files)} of {found.count} files"] if found.files else []),
            *(["modes or links"] if found.modes else []),
            *(["metadata"] if found.metadata else []),
        ]
        words = f"not equal: {', '.join(differ)}" if differ else f"equal: {found.count} files"
        yield f"{self.artifact.filename}: {words}"
        yield from (f"  {file}" for file in found.files)
        for title, lines in (
            ("modes and links", found.modes),
            ("metadata", found.metadata),
            ("built in another environment", self.environments),
        ):
            if lines:
                yield f"  {title}:"
                yield from (f"    {line}" for line in lines)


def chosen_variants(forge: ForgeOnDisk, package: str, partition: str | None) -> tuple[VariantId, ...]:
    """The package variants that a command names; of all partitions those that the recipe takes.

    Raises:
        ForgeError: if there is none of this name.
    """
    found = variants_of(forge, package, partition)
    refuse_elsewhere(forge, [package])
    if partition is not None:
        return found
    statuses = derive_statuses(forge)
    return tuple(identity for identity in found if statuses[identity].state is not State.SKIPPED)


def rebuild_check(forge: ForgeOnDisk, identity: VariantId, on_log: OnLog) -> tuple[Rebuilt, ...]:
    """Build all outputs of a package variant once more, and compare each with the package that is there.

    Args:
        on_log: called for each line of the build's log with its level and text.

    Raises:
        ForgeError: if it is not up to date, or cannot be built.
    """
    variant = forge.catalog.variants[identity]
    with variant_lock(forge, identity):
        for other in variant.builds_against:
            wait_for_lock(forge, other)
        statuses = derive_statuses(forge, mine=identity)
        status = statuses[identity]
        _refuse_unless_up_to_date(status)
        column = column_artifacts(forge, variant, statuses)
        try:
            return _rebuild(forge, status, column, on_log)
        except MakeFailed as failed:
            log = forge.output / failed.failure.log if failed.failure.log else None
            remedy = f"log: {log}" if log else None
            raise ForgeError(
                f"was not built again: {failed.failure.reason}", where=str(identity), remedy=remedy
            ) from None


def _rebuild(forge: ForgeOnDisk, status: Status, column: tuple[Artifact, ...], on_log: OnLog) -> tuple[Rebuilt, ...]:
    variant = forge.catalog.variants[status.id]
    found: list[Rebuilt] = []
    with attempt_of(forge, variant.id, column, on_log) as attempt:
        # An object of the build that it is compared with would be compared with itself.
        attempt.compiler_cache = None
        siblings = FolderChannel(attempt.work / SIBLINGS, label=SIBLINGS)
        for position, (expected, entry) in enumerate(zip(status.expected, bring(forge, status.artifacts), strict=True)):
            there = expected.found
            assert there is not None, "what is up to date is there"
            request = build_request(forge, variant, expected, there.build_number)
            new = build_patiently(attempt, request, str(position), [siblings.url] if found else [])
            old = forge.staging.fetch(entry, attempt.work).path
            found.append(_compare(there, old, new, attempt.work / "compared" / str(position)))
            siblings.publish([new.file])
    return tuple(found)


def _compare(artifact: Artifact, old: Path, new: BuiltPackage, folder: Path) -> Rebuilt:
    environments = _environments(read_environments(old), new.environments)
    return Rebuilt(artifact, compare_packages(old, new.file.path, folder), environments)


def _environments(old: Environments, new: Environments) -> tuple[str, ...]:
    return tuple(
        str(difference)
        for section in ("build", "host")
        for difference in differences(
            section,
            _locked(old.sections.get(section, ())),
            _locked(new.sections.get(section, ())),
            without=frozenset(),
        )
    )


def _locked(packages: tuple[Resolved, ...]) -> Mapping[str, Locked]:
    return {item.name: Locked(item.version, item.build, item.sha256) for item in packages}


def _refuse_unless_up_to_date(status: Status) -> None:
    if status.state in UP_TO_DATE and status.expected:
        return
    words = f"is {status.state} ({status.reason}): there is no package of its inputs to compare with"
    remedy = "its recipe excludes it" if status.state is State.SKIPPED else "build it first"
    raise ForgeError(words, where=str(status.id), remedy=remedy)
