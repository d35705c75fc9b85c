"""One package variant as the report shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from wvforge_dagster.build.materials import without_credentials
from wvforge_dagster.channels.protocol import Channel
from wvforge_dagster.channels.targets import PublishTarget
from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.derive import is_failed_upload
from wvforge_dagster.core.evidence import Evidence, Listed
from wvforge_dagster.core.failure import Failure
from wvforge_dagster.core.install import install_lines, install_spec
from wvforge_dagster.core.reach import reached
from wvforge_dagster.core.state import UP_TO_DATE, State, Status
from wvforge_dagster.core.test_names import test_names
from wvforge_dagster.orchestration.evidence import channel_entries
from wvforge_dagster.orchestration.explain import changes_since, named_inputs
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.gate import device_code_of
from wvforge_dagster.orchestration.past_runs import PastAttempt
from wvforge_dagster.report import model

LAST_LINES = 20


@dataclass(frozen=True)
class Told:
    """What is known, sorted for looking up.

    Attributes:
        attempts: by package, the oldest first.
        last: of each package variant, the last attempt.
        artifacts_of: how many package variants have a file of a name.
        architectures: of files, by their sha256 (`known_architectures`).
    """

    evidence: Evidence
    statuses: Mapping[VariantId, Status]
    attempts: Mapping[str, tuple[PastAttempt, ...]]
    last: Mapping[VariantId, PastAttempt] = field(repr=False)
    artifacts_of: Mapping[str, int] = field(repr=False)
    architectures: Mapping[str, tuple[str, ...]] = field(repr=False)

    @classmethod
    def of(
        cls,
        evidence: Evidence,
        statuses: Mapping[VariantId, Status],
        attempts: Mapping[str, tuple[PastAttempt, ...]],
        architectures: Mapping[str, tuple[str, ...]],
    ) -> Told:
        last = {attempt.id: attempt for found in attempts.values() for attempt in found}
        artifacts_of = Counter(item.name for status in statuses.values() for item in status.artifacts)
        return cls(evidence, statuses, attempts, last, artifacts_of, architectures)


def report_variant(forge: ForgeOnDisk, told: Told, identity: VariantId) -> model.Variant:
    """Its state with everything that explains it."""
    status = told.statuses[identity]
    variant = forge.catalog.variants.get(identity)
    failure = _failure(told, status)
    last = told.last.get(identity)
    outputs = variant.outputs if variant else ()
    tests = [test for output in outputs for test in output.rendered.get("tests") or []]
    return model.Variant(
        partition=identity.partition or None,
        state=status.state,
        reason=status.reason,
        channels=status.channels,
        files=tuple(_file(told, artifact) for artifact in status.artifacts),
        changes=tuple(
            model.Change(where=change.where, what=change.what, old=change.old, new=change.new)
            for expected in status.expected
            for change in changes_since(expected, told.evidence)
        ),
        inputs=tuple(
            model.Input(name=without_password(name), value=value)
            for expected in status.expected
            for name, value in named_inputs(expected)
        ),
        input_digest=status.input_digest if status.expected else None,
        tests=test_names(tests),
        tested=status.state in UP_TO_DATE,
        architectures=tuple(
            dict.fromkeys(name for item in status.artifacts for name in told.architectures.get(item.sha256, ()))
        ),
        needs=references(variant.needs if variant else ()),
        failure=failure.failure_class.value if failure else None,
        last_lines="\n".join(failure.details.splitlines()[-LAST_LINES:]) if failure else "",
        log=status.log or (failure.log if failure else "") or _last_log(forge, identity),
        last=report_attempt(forge, last) if last else None,
        install=tuple(_install(forge, told, status)),
    )


def known_architectures(forge: ForgeOnDisk, statuses: Iterable[Status]) -> Mapping[str, tuple[str, ...]]:
    """For which GPUs staged files have code, as the package check read it (``sm_80``, ``PTX 90``), by their sha256."""
    cuda = {name for name, package in forge.catalog.packages.items() if "cuda" in package.dimensions.names}
    wanted = {item.sha256 for status in statuses if status.id.package in cuda for item in status.artifacts}
    found: dict[str, tuple[str, ...]] = {}
    for entry in channel_entries(forge, forge.staging) if wanted else ():
        if entry.sha256 in wanted:
            codes = device_code_of(forge, entry).values()
            found[entry.sha256] = tuple(dict.fromkeys(name for code in codes for name in code.names))
    return found


def references(identities: Iterable[VariantId]) -> tuple[model.Reference, ...]:
    """Package variants as the report names them."""
    return tuple(model.Reference(package=item.package, partition=item.partition or None) for item in identities)


def report_attempt(forge: ForgeOnDisk, attempt: PastAttempt) -> model.Attempt:
    """One time that it was made."""
    return model.Attempt(
        partition=attempt.id.partition or None,
        at=datetime.fromtimestamp(attempt.at, UTC),
        outcome=attempt.outcome,
        seconds=dict(attempt.seconds),
        size=attempt.size,
        run=attempt.run,
        log=_in_output(forge, attempt.log),
    )


def public_url(target: PublishTarget, channel: Channel) -> str:
    """What people give a solver to read a target: forge.yaml's `address`, else what this machine reads."""
    return getattr(target, "address", None) or without_credentials(channel.url)


def channels_for(forge: ForgeOnDisk, label: str, *, with_other_targets: bool) -> tuple[str, ...]:
    """What a package of a target is installed from, in order of priority."""
    others = [public_url(target, channel) for target, channel in forge.targets if channel.label != label]
    own = [public_url(target, channel) for target, channel in forge.targets if channel.label == label]
    upstream = [without_credentials(channel) for channel in forge.upstream_channels]
    return tuple(dict.fromkeys([*own, *(others if with_other_targets else ()), *upstream]))


def without_password(name: str) -> str:
    """The name of an input without the user and password of an address in it."""
    return " ".join(without_credentials(word) for word in name.split(" "))


def _install(forge: ForgeOnDisk, told: Told, status: Status) -> Iterable[model.InstallLines]:
    if status.state not in UP_TO_DATE:
        return
    needed = reached([status.id], lambda identity: forge.catalog.variants[identity].needs_to_run)
    specs = tuple(
        install_spec(
            artifact.name,
            artifact.version,
            artifact.build,
            artifact.build_number,
            only_one=told.artifacts_of[artifact.name] == 1,
        )
        for artifact in status.artifacts
    )
    for label in status.channels:
        elsewhere = any(label not in told.statuses[other].channels for other in needed)
        channels = channels_for(forge, label, with_other_targets=elsewhere)
        lines = install_lines(status.id.package, specs, channels)
        yield model.InstallLines(channel=label, specs=specs, channels=channels, lines=lines)


def _file(told: Told, artifact: Artifact) -> model.File:
    listed = Listed.of(artifact)
    return model.File(
        name=artifact.name,
        filename=artifact.filename,
        subdir=artifact.subdir,
        version=artifact.version,
        build=artifact.build,
        build_number=artifact.build_number,
        size=artifact.size,
        sha256=artifact.sha256,
        content=artifact.content,
        payload_files=artifact.file_count,
        built=datetime.fromtimestamp(artifact.built / 1000, UTC) if artifact.built else None,
        channels=tuple(label for label, files in told.evidence.published.items() if listed in files),
    )


def _failure(told: Told, status: Status) -> Failure | None:
    """The failure that the status tells of."""
    failure = told.evidence.failures.get(status.id)
    if failure is None or status.state in (State.FAILED, State.UNSOLVABLE):
        return failure
    return failure if status.expected and is_failed_upload(failure, status) else None


def _last_log(forge: ForgeOnDisk, identity: VariantId) -> str | None:
    """The newest one: their names begin with their times."""
    return _in_output(forge, max(forge.log_folder(identity).glob("*.log"), default=None))


def _in_output(forge: ForgeOnDisk, path: Path | None) -> str | None:
    """A path below the forge's output folder, relative to it; None for others: the storage may be of another machine."""
    if path is None or not path.is_relative_to(forge.output):
        return None
    return path.relative_to(forge.output).as_posix()
