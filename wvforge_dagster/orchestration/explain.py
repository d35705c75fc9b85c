"""What a package variant is made from, and what of it changed, in lines for people."""

from __future__ import annotations

from collections.abc import Iterator

from wvforge_dagster.build.engine_account import RENDERED, rendered_recipe
from wvforge_dagster.build.inspect import Environments, environments_of
from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.changes import Change, changed_tests
from wvforge_dagster.core.derive import derive, reasons_to_build
from wvforge_dagster.core.digest import digest
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.evidence import Evidence
from wvforge_dagster.core.gpu import GpuState
from wvforge_dagster.core.state import Expected, Status
from wvforge_dagster.orchestration.evidence import channel_entries, gather
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.gpu_records import read_gpu_records
from wvforge_dagster.orchestration.updates import new_releases


def explain(forge: ForgeOnDisk, package: str, partition: str | None) -> Iterator[str]:
    """The parts of a package variant, and where it is out of date, each part that changed.

    Args:
        package: the name of a package or of an output.
        partition: one partition; None for all of the package's.

    Raises:
        ForgeError: if the forge has no such package or partition.
    """
    chosen = variants_of(forge, package, partition)
    evidence = gather(forge)
    statuses = derive(forge.catalog, evidence)
    releases = new_releases(forge)
    for position, identity in enumerate(chosen):
        if position:
            yield ""
        yield from _explain(forge, evidence, statuses[identity], releases.get(identity.package))


def variants_of(forge: ForgeOnDisk, package: str, partition: str | None) -> tuple[VariantId, ...]:
    """The package variants that the name of a package or an output means, and a partition, or all.

    Raises:
        ForgeError: if the forge has no such package or partition.
    """
    owner = forge.catalog.provider.get(package)
    if owner is None:
        raise ForgeError(f"no package {package!r} in this forge", remedy=f"it has {', '.join(forge.catalog.packages)}")
    keys = forge.catalog.packages[owner].dimensions.keys()
    if partition is not None and partition not in keys:
        known = ", ".join(key or "none: it is not partitioned" for key in keys)
        raise ForgeError(f"no partition {partition!r}", where=owner, remedy=f"it has {known}")
    return tuple(VariantId(owner, key) for key in keys if partition in (None, key))


def _explain(forge: ForgeOnDisk, evidence: Evidence, status: Status, release: str | None) -> Iterator[str]:
    yield f"{status.id}: {status.state}: {status.reason}"
    if status.gpu is not None:
        yield f"  GPU tests: {', '.join(_gpu_lines(forge, status)) or status.gpu}"
    for expected in status.expected:
        yield from _changed(expected, evidence)
        yield from _parts(expected)
        if expected.found or expected.last:
            yield from _package(forge, expected)
    yield f"  class: {forge.class_of(status.id.package)}"
    if release is not None:
        yield f"  new release: {release}"
    past = forge.history.get(status.id)
    if past is not None:
        yield f"  last build: {past.seconds:.0f} s, {past.builds[-1].memory / 2**20:.0f} MiB of memory"


def _gpu_lines(forge: ForgeOnDisk, status: Status) -> Iterator[str]:
    """What came of the GPU tests of each file, if they have run."""
    staged = {entry.sha256: entry for entry in channel_entries(forge, forge.staging)}
    for expected in status.expected:
        found = expected.found
        if expected.gpu not in (None, GpuState.PENDING) and found is not None and found.sha256 in staged:
            yield str(read_gpu_records(forge, staged[found.sha256])[-1])


def changes_since(expected: Expected, evidence: Evidence) -> tuple[Change, ...]:
    """What changed since an output was built and tested, one by one; nothing if it is up to date or was never built."""
    changes = [*reasons_to_build(expected, evidence)]
    if expected.found is not None and not expected.tested:
        changes += changed_tests(expected.found.records[-1].tests, expected.tests)
    return tuple(changes)


def _changed(expected: Expected, evidence: Evidence) -> Iterator[str]:
    changes = changes_since(expected, evidence)
    if changes:
        yield "  changed since it was built:"
    for change in changes:
        yield f"    {change}"
        yield from _values(change)


def _values(change: Change) -> Iterator[str]:
    if change.old is not None or change.new is not None:
        yield f"      - {change.old if change.old is not None else 'none'}"
        yield f"      + {change.new if change.new is not None else 'none'}"


def named_inputs(expected: Expected) -> Iterator[tuple[str, str]]:
    """Each part of the inputs of an output: its name, and its value in one line."""
    parts, output = expected.parts, expected.output
    yield "recipe", output.binding_digest
    for name, value in parts["files"].items():
        yield f"file {name}", value
    for source in output.sources:
        if "url" in source:
            hashes = (f"{kind} {source[kind]}" for kind in ("sha256", "md5") if kind in source)
            yield f"source {source['url']}", ", ".join(hashes) or "no hash"
    for name, value in parts["sources"].items():
        yield f"source {name}", value
    for name, value in parts["variant"].items():
        yield f"variant {name}", value
    yield "platform", parts["platform"]
    for name, value in parts["local_packages"].items():
        version, _, content = value.rpartition(" ")
        yield f"local package {name} {version}", f"content {content}"


def _parts(expected: Expected) -> Iterator[str]:
    yield f"  inputs of {expected.output.name} {expected.output.version}, digest {expected.input_digest}"
    for name, value in named_inputs(expected):
        yield f"    {name}: {value}"
    tests = expected.tests["tests"]
    yield f"  tests: {len(tests)}" + (f", digest {digest(expected.tests)}" if tests else "")


def _package(forge: ForgeOnDisk, expected: Expected) -> Iterator[str]:
    artifact = expected.found or expected.last
    assert artifact is not None
    word = "package" if expected.found else "last package"
    yield f"  {word} {artifact.filename}: sha256 {artifact.sha256}"
    yield f"    content: {artifact.content}"
    if artifact.record is not None:
        if artifact.build_number != artifact.record.recipe_number:
            yield f"    build number: {artifact.build_number} (the recipe has {artifact.record.recipe_number})"
        for name, value in artifact.record.recorded.items():
            yield f"    {name}: {value}"
    for note in artifact.notes:
        yield f"    also good for the inputs {note.input_digest[:16]} and the tests {digest(note.tests)[:16]}"
    for section, packages in environments(forge, artifact).sections.items():
        for package in packages:
            yield f"    {section} environment: {package.name} {package.version} {package.build} {package.sha256}"


def environments(forge: ForgeOnDisk, artifact: Artifact) -> Environments:
    """The environments that a package was built in, from the newest note that has them, else from the package itself.

    Empty if no channel on this machine holds it: a remote one is not asked.
    """
    for note in reversed(artifact.notes):
        if note.environments:
            return Environments.from_json(note.environments)
    wanted = (artifact.subdir, artifact.filename, artifact.sha256)
    for channel in (forge.staging, *(channel for _, channel in forge.targets)):
        if not channel.is_local and channel is not forge.staging:
            continue
        for entry in channel_entries(forge, channel):
            if (entry.subdir, entry.filename, entry.sha256) == wanted:
                return environments_of(rendered_recipe(channel.read(entry, (RENDERED,))[RENDERED], channel.label))
    return Environments()
