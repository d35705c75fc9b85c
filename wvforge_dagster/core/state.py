"""The state of every package variant, derived from the recipes and from what lies in the channels.

Computed here once; the command line, Dagster's assets and the sensors all show these values.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.catalog import BUILD_SECTIONS, Catalog, PackageVariant, VariantId
from wvforge_dagster.core.changes import describe_changes
from wvforge_dagster.core.digest import digest, input_parts
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.recipe import Output


class State(str, Enum):
    """Where a package variant stands. design.md, "Words"."""

    PUBLISHED = "published"
    STAGED = "staged"
    STALE = "stale"
    WAITING = "waiting"
    MISSING = "missing"
    BUILDING = "building"
    FAILED = "failed"
    BLOCKED = "blocked"
    UNSOLVABLE = "unsolvable"
    SKIPPED = "skipped"

    def __str__(self) -> str:
        return self.value


UP_TO_DATE = frozenset({State.PUBLISHED, State.STAGED})
STUCK = frozenset({State.FAILED, State.BLOCKED, State.UNSOLVABLE})
TO_BUILD = frozenset({State.STALE, State.MISSING, State.WAITING, State.BUILDING})


@dataclass(frozen=True)
class RecipeFiles:
    """Digests of what a recipe uses besides its recipe.yaml: see `core.digest.input_parts`."""

    files: Mapping[str, str] = field(hash=False)
    sources: Mapping[str, str] = field(hash=False)


@dataclass(frozen=True)
class Evidence:
    """Everything that states are derived from.

    Attributes:
        files: by package name.
        staged: what the staging channel holds.
        published: for each publish target (its label), the packages that its repodata lists, as (filename, sha256).
        targets: for each package name, the labels of the targets that it goes to.
        failures: the last failure of each package variant.
        building: package variants that are being built now.
    """

    platform: str
    files: Mapping[str, RecipeFiles]
    staged: tuple[Artifact, ...]
    published: Mapping[str, Set[tuple[str, str]]]
    targets: Mapping[str, tuple[str, ...]]
    failures: Mapping[VariantId, Failure]
    building: Set[VariantId] = frozenset()


@dataclass(frozen=True)
class Expected:
    """What an output of a package variant should be made from.

    Attributes:
        parts: the parts of its input digest.
        found: the package in staging that was made from exactly that, if there is one.
        last: the newest package in staging of this output and variant.
    """

    output: Output
    parts: Mapping[str, Any] = field(hash=False)
    input_digest: str
    found: Artifact | None
    last: Artifact | None


@dataclass(frozen=True)
class Status:
    """State of one package variant and its reason, in one line.

    Attributes:
        expected: one for each output, in dependency order; empty where its inputs are not known yet.
        channels: labels of the targets that hold exactly the packages that are up to date.
        goes_to: labels of the targets that it is to be published to, where it is up to date.
        tested_with: content digests of the local packages that it only runs with.
    """

    id: VariantId
    state: State
    reason: str
    expected: tuple[Expected, ...] = ()
    channels: tuple[str, ...] = ()
    log: str = ""
    tested_with: tuple[str, ...] = ()
    goes_to: tuple[str, ...] = ()

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """The packages that are up to date, or else the last ones."""
        chosen = (expected.found or expected.last for expected in self.expected)
        return tuple(artifact for artifact in chosen if artifact is not None)

    @property
    def input_digest(self) -> str:
        """One digest over everything that an attempt to make it depends on: the inputs of all outputs, and their tests."""
        outputs = [[expected.input_digest, expected.output.rendered.get("tests")] for expected in self.expected]
        return digest([outputs, self.tested_with])


def derive(catalog: Catalog, evidence: Evidence) -> dict[VariantId, Status]:
    """The status of every package variant, in dependency order."""
    by_output: dict[tuple[str, str, str], list[Artifact]] = {}
    for artifact in evidence.staged:
        if artifact.record is not None:
            key = (artifact.record.package, artifact.record.partition, artifact.name)
            by_output.setdefault(key, []).append(artifact)
    statuses: dict[VariantId, Status] = {}
    for variant in catalog.variants.values():
        statuses[variant.id] = _status(variant, catalog, evidence, by_output, statuses)
    return statuses


def _status(
    variant: PackageVariant,
    catalog: Catalog,
    evidence: Evidence,
    by_output: Mapping[tuple[str, str, str], list[Artifact]],
    statuses: Mapping[VariantId, Status],
) -> Status:
    identity = variant.id
    fault = catalog.packages[identity.package].fault
    if fault is not None:
        return Status(identity, State.FAILED, fault)
    if variant.skip is not None:
        return Status(identity, State.SKIPPED, variant.skip)
    built = any((identity.package, identity.partition, output.name) in by_output for output in variant.outputs)
    stuck = blockers(variant, statuses)
    unfinished = [other for other in variant.builds_against if statuses[other].state in TO_BUILD]
    if identity in evidence.building:
        return Status(identity, State.BUILDING, "being built now")
    if stuck and (unfinished or any(other in variant.builds_against for other in stuck)):
        return Status(identity, State.BLOCKED, _blocked_by(stuck, statuses))
    if unfinished:
        names = ", ".join(str(other) for other in unfinished)
        if built:
            return Status(identity, State.WAITING, f"builds against {names}, to be rebuilt first")
        return Status(identity, State.MISSING, f"never built; builds against {names}")
    expected = _expected(variant, catalog, evidence, by_output, statuses)
    if all(item.found for item in expected):
        return _published(identity, expected, evidence)
    failure = evidence.failures.get(identity)
    tested_with = tuple(artifact.content for other in variant.runs_with for artifact in statuses[other].artifacts)
    missing = Status(identity, State.MISSING, "never built", expected, tested_with=tested_with)
    if failure is not None and failure.input_digest == missing.input_digest:
        return replace(missing, state=state_of_failure(failure), reason=failure.reason, log=failure.log)
    if stuck:
        return replace(missing, state=State.BLOCKED, reason=_blocked_by(stuck, statuses))
    changed = [item for item in expected if item.found is None and item.last is not None]
    if changed:
        last = changed[0].last
        old = last.record.parts if last is not None and last.record is not None else {}
        return replace(missing, state=State.STALE, reason=describe_changes(old, changed[0].parts))
    return missing


def state_of_failure(failure: Failure) -> State:
    """The state that a failure puts a package variant in."""
    return State.UNSOLVABLE if failure.failure_class is FailureClass.SOLVE else State.FAILED


def blockers(variant: PackageVariant, statuses: Mapping[VariantId, Status]) -> tuple[VariantId, ...]:
    """The package variants without which this one cannot be built or tested, and which cannot be built.

    Of a package that it only runs with, one working column is enough for an unpartitioned one.
    """
    stuck = [other for other in variant.builds_against if statuses[other].state in STUCK]
    by_package: dict[str, list[VariantId]] = {}
    for other in variant.runs_with:
        by_package.setdefault(other.package, []).append(other)
    for others in by_package.values():
        if all(statuses[other].state in STUCK for other in others):
            stuck.extend(others)
    return tuple(stuck)


def _blocked_by(stuck: tuple[VariantId, ...], statuses: Mapping[VariantId, Status]) -> str:
    return "; ".join(f"{other} is {statuses[other].state}" for other in stuck)


def _expected(
    variant: PackageVariant,
    catalog: Catalog,
    evidence: Evidence,
    by_output: Mapping[tuple[str, str, str], list[Artifact]],
    statuses: Mapping[VariantId, Status],
) -> tuple[Expected, ...]:
    files = evidence.files[variant.id.package]
    contents: dict[str, str] = {}
    for other in variant.builds_against:
        several = sum(1 for each in variant.builds_against if each.package == other.package) > 1
        for artifact in statuses[other].artifacts:
            contents[f"{artifact.name}[{other.partition}]" if several else artifact.name] = artifact.content
    siblings: dict[str, str] = {}
    found: list[Expected] = []
    direct = {name for output in variant.outputs for name in output.requires(*BUILD_SECTIONS)}
    for output in variant.outputs:
        required = output.requires(*BUILD_SECTIONS)
        # What comes along in its environments, because a package that it requires runs with it, is an input as well.
        local = {
            name: value for name, value in contents.items() if _bare(name) in required or _bare(name) not in direct
        }
        local |= {name: value for name, value in siblings.items() if name in required}
        parts = input_parts(
            output, files=files.files, sources=files.sources, local_packages=local, platform=evidence.platform
        )
        value = digest(parts)
        siblings[output.name] = f"inputs:{value}"
        candidates = by_output.get((variant.id.package, variant.id.partition, output.name), [])
        same_variant = [
            item for item in candidates if item.record and item.record.parts.get("variant") == parts["variant"]
        ]
        exact = [item for item in same_variant if item.record and item.record.input_digest == value]
        last = max(same_variant or candidates, key=lambda item: item.build_number, default=None)
        best = max(exact, key=lambda item: item.build_number, default=None)
        found.append(Expected(output, parts, value, best, last))
    return tuple(found)


def _bare(name: str) -> str:
    return name.split("[", maxsplit=1)[0]


def _published(identity: VariantId, expected: tuple[Expected, ...], evidence: Evidence) -> Status:
    wanted = {(item.found.filename, item.found.sha256) for item in expected if item.found}
    targets = evidence.targets.get(identity.package, ())
    holding = tuple(target for target in targets if wanted <= evidence.published.get(target, frozenset()))
    lacking = [target for target in targets if target not in holding]
    if not targets:
        return Status(identity, State.STAGED, "it goes to no publish target", expected)
    if not lacking:
        return Status(identity, State.PUBLISHED, "up to date", expected, holding, goes_to=targets)
    failure = evidence.failures.get(identity)
    why = f"not yet in {', '.join(lacking)}"
    if failure is not None and failure.failure_class is FailureClass.UPLOAD:
        why = f"not published: {failure.reason}"
    return Status(identity, State.STAGED, why, expected, holding, goes_to=targets)
