"""Publishing one package variant: what Dagster's upload asset does. Only what is staged and up to date is published.

This is the only place from which a package goes to a target, and it asks the gate itself: a file without a record that this
very file passed (`orchestration.gate`) is tested and checked again here, whoever put it there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from wvforge_dagster.channels.protocol import Channel, ChannelEntry
from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.package_file import PackageFile
from wvforge_dagster.core.state import UP_TO_DATE, State, Status
from wvforge_dagster.orchestration.column_files import column_artifacts
from wvforge_dagster.orchestration.evidence import derive_statuses
from wvforge_dagster.orchestration.failures import forget_failure, keep_failure
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.gate import is_cleared
from wvforge_dagster.orchestration.locks import upload_lock, variant_lock
from wvforge_dagster.orchestration.made import MakeFailed
from wvforge_dagster.orchestration.refreshing import refresh
from wvforge_dagster.orchestration.staging import bring, share_notes
from wvforge_dagster.orchestration.testing import test_again


@dataclass(frozen=True)
class Published:
    """What each target holds of a package variant, as read back from its repodata."""

    artifacts: tuple[Artifact, ...]
    entries: tuple[tuple[str, tuple[ChannelEntry, ...]], ...]


def publish_variant(forge: ForgeOnDisk, identity: VariantId) -> Published:
    """Publish the staged packages of a package variant to every target that it goes to.

    A target that fails does not hide the others.

    Raises:
        ForgeError: if it is not staged, if a test or a blocking check of the very file fails, or if a target refused it;
            then the status names that target.
    """
    with upload_lock(forge, identity):
        return _publish(forge, identity)


def _publish(forge: ForgeOnDisk, identity: VariantId) -> Published:
    """`publish_variant`, by the one who holds the lock."""
    status = derive_statuses(forge, mine=identity)[identity]
    if status.state is State.SKIPPED:
        return Published((), ())
    if status.state not in UP_TO_DATE:
        raise ForgeError(
            f"is {status.state} ({status.reason}) and is not published", where=str(identity), remedy="build it first"
        )
    staged = bring(forge, status.artifacts)
    files = [_staged_file(forge, artifact) for artifact in status.artifacts]
    entries: list[tuple[str, tuple[ChannelEntry, ...]]] = []
    faults: list[str] = []
    targets = forge.targets_of(identity.package)
    _ask_the_gate(forge, identity, status, staged)
    for _, channel in targets:
        try:
            entries.append((channel.label, tuple(channel.publish(files))))
            share_notes(forge, channel, staged)
        except ForgeError as fault:
            faults.append(_with_label(fault, channel.label))
    unread = refresh(forge, (channel for _, channel in targets))
    faults += [_with_label(fault, label) for label, fault in unread.items()]
    if faults:
        reason = "; ".join(dict.fromkeys(faults))
        keep_failure(forge, identity, Failure(FailureClass.UPLOAD, reason, input_digest=status.input_digest))
        raise ForgeError(reason, where=f"upload of {identity}")
    forget_failure(forge, identity)
    return Published(status.artifacts, tuple(entries))


def _ask_the_gate(forge: ForgeOnDisk, identity: VariantId, status: Status, staged: tuple[ChannelEntry, ...]) -> None:
    """See that every file that a target lacks passed; those that have no record of it are tested and checked again.

    Raises:
        ForgeError: if one does not pass; then the failure is kept.
    """
    if _all_cleared(forge, status, staged):
        return
    if all(_holds(channel, entry) for _, channel in forge.targets_of(identity.package) for entry in staged):
        return
    variant = forge.catalog.variants[identity]
    column = column_artifacts(forge, variant, derive_statuses(forge, mine=identity))
    try:
        with variant_lock(forge, identity):
            test_again(forge, variant, status, column, _nobody_listens)
    except MakeFailed as failed:
        keep_failure(forge, identity, replace(failed.failure, input_digest=status.input_digest))
        raise ForgeError(failed.failure.reason, where=f"upload of {identity}", remedy="it is not published") from None
    if not _all_cleared(forge, status, staged):
        raise ForgeError(
            "nothing shows that this very file passed its tests and checks",
            where=f"upload of {identity}",
            remedy="build it again with --force",
        )


def _all_cleared(forge: ForgeOnDisk, status: Status, staged: tuple[ChannelEntry, ...]) -> bool:
    pairs = zip(staged, status.expected, strict=True)
    return all(is_cleared(forge, status.id.package, entry, expected) for entry, expected in pairs)


def _holds(channel: Channel, entry: ChannelEntry) -> bool:
    """Whether a target lists this very file now; one that cannot be asked does not."""
    try:
        return entry in channel.entries()
    except ForgeError:
        return False


def _nobody_listens(level: str, line: str) -> None:
    """The lines are in the log."""


def _staged_file(forge: ForgeOnDisk, artifact: Artifact) -> PackageFile:
    """The staged file, measured anew: what was changed behind our back is not published."""
    file = PackageFile.read(forge.output / "staging" / artifact.subdir / artifact.filename, artifact.subdir)
    if file.sha256 != artifact.sha256:
        raise ForgeError("was changed after it was staged", where=str(file.path), remedy="remove it and build it again")
    return file


def _with_label(fault: ForgeError, label: str) -> str:
    text = str(fault)
    return text if text.startswith(label) else f"{label}: {text}"
