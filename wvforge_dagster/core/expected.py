"""What each output of a package variant should be made from, and which package in the channels was made from that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from wvforge_dagster.core.artifact import Artifact, Record
from wvforge_dagster.core.catalog import Catalog, PackageVariant, VariantId
from wvforge_dagster.core.digest import digest
from wvforge_dagster.core.evidence import Evidence, Listed
from wvforge_dagster.core.gpu import GpuState, digest_of_tests, state_of
from wvforge_dagster.core.inputs import NOT_ASKED, git_source_key, input_digest, input_parts, parts_of_tests
from wvforge_dagster.core.recipe import BUILD_SECTIONS, Output
from wvforge_dagster.core.state import Expected, Status


@dataclass(frozen=True)
class Shelf:
    """The packages in the channels, sorted for looking up.

    Attributes:
        of_output: packages by recipe, partition and output name.
        of_name: packages by recipe and output name, whatever partition they were built in.
        highest: for each target, the highest build number of each series (`core.evidence.Listed`).
        sha256: for each target, that of each of its filenames.
    """

    of_output: Mapping[tuple[str, str, str], tuple[Artifact, ...]] = field(hash=False)
    of_name: Mapping[tuple[str, str], tuple[Artifact, ...]] = field(hash=False)
    highest: Mapping[str, Mapping[str, int]] = field(hash=False)
    sha256: Mapping[str, Mapping[str, str]] = field(hash=False)


def make_shelf(evidence: Evidence, catalog: Catalog) -> Shelf:
    of_output: dict[tuple[str, str, str], list[Artifact]] = {}
    of_name: dict[tuple[str, str], list[Artifact]] = {}
    for artifact in evidence.artifacts:
        if artifact.record is not None:
            identity = catalog.identity_of(artifact.record.package, artifact.record.partition, artifact.subdir)
            of_output.setdefault((identity.package, identity.partition, artifact.name), []).append(artifact)
            of_name.setdefault((identity.package, artifact.name), []).append(artifact)
    highest: dict[str, dict[str, int]] = {}
    for label, files in evidence.published.items():
        numbers = highest.setdefault(label, {})
        for listed in files:
            numbers[listed.series] = max(listed.number, numbers.get(listed.series, -1))
    sha256 = {
        label: {listed.filename: listed.sha256 for listed in files} for label, files in evidence.published.items()
    }
    return Shelf(
        {key: tuple(found) for key, found in of_output.items()},
        {name: tuple(found) for name, found in of_name.items()},
        highest,
        sha256,
    )


def find_expected(
    variant: PackageVariant,
    catalog: Catalog,
    evidence: Evidence,
    shelf: Shelf,
    statuses: Mapping[VariantId, Status],
) -> tuple[Expected, ...]:
    """One for each output, in dependency order. The status of everything that `variant` builds against is known."""
    files = evidence.files[variant.id.package]
    contents = contents_of(variant.builds_against, statuses)
    runs_with = contents_of((other for other in variant.runs_with if statuses[other].is_settled), statuses)
    siblings: dict[str, str] = {}
    found: list[Expected] = []
    current = {output.variant for output in variant.outputs}
    for output in variant.outputs:
        required = output.requires(*BUILD_SECTIONS)
        there = _in_environments(required, variant, catalog)
        local = {name: value for name, value in contents.items() if _bare(name) in there}
        local |= {name: value for name, value in siblings.items() if name in required}
        candidates = shelf.of_output.get((variant.id.package, variant.id.partition, output.name), ())
        # An output that uses fewer keys than its siblings belongs to several partitions, and any of them may have built it.
        everywhere = shelf.of_name.get((variant.id.package, output.name), ())
        mine = [item for item in everywhere if item.record and item.record.parts.get("variant") == dict(output.variant)]
        last = max(mine or candidates, key=lambda item: (item.built, item.build_number), default=None)
        parts = input_parts(
            output,
            files=files.files,
            sources={**files.sources, **commits_of(output, evidence, last)},
            local_packages=local,
            platform=catalog.packages[variant.id.package].platform,
        )
        value = input_digest(parts, recipe_digest=output.binding_digest)
        siblings[output.name] = f"{output.version} inputs:{value}"
        tests = parts_of_tests(output, runs_with)
        others = [item for item in candidates if item not in mine and not _is_of(item, current)]
        rivals = _rivals(mine, others, evidence, evidence.targets.get(variant.id.package, ()), shelf)
        good = [item for item in rivals if any(_holds(record, value, evidence) for record in item.records)]
        best = max(good, key=lambda item: item.build_number, default=None)
        gpu = _gpu_state(output, best, files.files, evidence)
        found.append(Expected(output, parts, value, tests, best, _passed(best, tests, evidence), last, rivals, gpu))
    return tuple(found)


def contents_of(others: Iterable[VariantId], statuses: Mapping[VariantId, Status]) -> dict[str, str]:
    """``VERSION CONTENT`` of the packages of these package variants, by name; with the partition where several have one."""
    others = tuple(others)
    contents: dict[str, str] = {}
    for other in others:
        several = sum(1 for each in others if each.package == other.package) > 1
        by_name: dict[str, list[Artifact]] = {}
        for artifact in statuses[other].artifacts:
            by_name.setdefault(artifact.name, []).append(artifact)
        for name, artifacts in by_name.items():
            # Several variants of one package may share a partition.
            content = artifacts[0].content if len(artifacts) == 1 else digest(sorted(a.content for a in artifacts))
            contents[f"{name}[{other.partition}]" if several else name] = f"{artifacts[0].version} {content}"
    return contents


def commits_of(output: Output, evidence: Evidence, last: Artifact | None) -> dict[str, str]:
    """The commits of the git sources: as last asked, else as the last package was built from."""
    known = dict(last.records[-1].parts.get("sources", {})) if last is not None and last.records else {}
    found = {}
    for source in output.sources:
        if "git" in source:
            key = git_source_key(source)
            commit = evidence.commits.get(key)
            found[key] = f"commit {commit}" if commit else known.get(key, NOT_ASKED)
    return found


def _in_environments(required: Iterable[str], variant: PackageVariant, catalog: Catalog) -> set[str]:
    """Names of the forge's packages in an output's build and host environments: those that it requires, and those that come
    along because a required one runs with them."""
    outputs: dict[str, list[Output]] = {}
    for other in variant.builds_against:
        for output in catalog.variants[other].outputs:
            outputs.setdefault(output.name, []).append(output)
    found = set(required)
    queue = list(found)
    while queue:
        for output in outputs.get(queue.pop(), ()):
            new = output.requires("run") - found
            found |= new
            queue += new
    return found


def _is_of(item: Artifact, variants: Set[tuple[tuple[str, str], ...]]) -> bool:
    """Whether a package is of one of these variants."""
    variant = item.record.parts.get("variant") if item.record else None
    return tuple(sorted((variant or {}).items())) in variants


def _rivals(
    mine: list[Artifact], others: list[Artifact], evidence: Evidence, targets: tuple[str, ...], shelf: Shelf
) -> tuple[Artifact, ...]:
    """The packages that a solver can get: no target holds another file of that name, or one that solvers prefer.

    Args:
        others: packages of the same output and partition, of variants that the recipe does not have any more.
    """

    def is_shadowed(item: Artifact, target: str) -> bool:
        if shelf.sha256.get(target, {}).get(item.filename, item.sha256) != item.sha256:
            return True
        if shelf.highest.get(target, {}).get(Listed.of(item).series, -1) > item.build_number:
            return True
        return any(
            other.version == item.version
            and (other.build_number, other.built) > (item.build_number, item.built)
            and Listed.of(other) in evidence.published.get(target, ())
            for other in others
        )

    return tuple(item for item in mine if not any(is_shadowed(item, target) for target in targets))


def _holds(record: Record, value: str, evidence: Evidence) -> bool:
    """Whether a record is of these inputs, and of the recorded parts that bind by policy."""
    return record.input_digest == value and not unlike(record, evidence)


def unlike(record: Record, evidence: Evidence) -> dict[str, tuple[str, str]]:
    """The recorded parts that bind by policy and are not what they were: old and new value by name."""
    pairs = {name: (record.recorded.get(name, "none"), evidence.recorded[name]) for name in evidence.recorded}
    return {name: pair for name, pair in pairs.items() if name in evidence.rebuild_on and pair[0] != pair[1]}


def _passed(item: Artifact | None, tests: Mapping[str, Any], evidence: Evidence) -> bool:
    if item is None:
        return True
    cleared = evidence.cleared.get(item.sha256)
    if not tests["tests"]:
        return cleared is None or bool(cleared)
    wanted = digest(tests)
    if cleared is not None and wanted not in cleared:
        return False
    return any(digest(record.tests) == wanted for record in item.records)


def _gpu_state(output: Output, best: Artifact | None, files: Mapping[str, str], evidence: Evidence) -> GpuState | None:
    if not output.gpu_tests:
        return None
    records = evidence.gpu.get(best.sha256, ()) if best is not None else ()
    return state_of(records, digest_of_tests(output.gpu_tests, files))


def _bare(name: str) -> str:
    return name.split("[", maxsplit=1)[0]
