"""Publishing one package variant: what Dagster's upload asset does. Only what is staged, up to date and passed is published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from wvforge_dagster.channels.protocol import ChannelEntry
from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.state import UP_TO_DATE, State
from wvforge_dagster.orchestration.evidence import derive_one
from wvforge_dagster.orchestration.failures import forget_failure, keep_failure
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.locks import upload_lock
from wvforge_dagster.orchestration.ready import ready_variant
from wvforge_dagster.orchestration.refreshing import refresh
from wvforge_dagster.orchestration.staging import share_notes


@dataclass(frozen=True)
class Published:
    """What each target holds of a package variant, as read back from its repodata.

    Attributes:
        held: why it goes to no target now; empty if nothing holds it.
        documents: the SBOM and the statement of each package, by its sha256 and by ending.
    """

    artifacts: tuple[Artifact, ...]
    entries: tuple[tuple[str, tuple[ChannelEntry, ...]], ...]
    documents: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict, hash=False)
    held: str = ""


def publish_variant(forge: ForgeOnDisk, identity: VariantId) -> Published:
    """Publish the staged packages of a package variant to every target that it goes to by itself.

    A target that fails does not hide the others.

    Raises:
        ForgeError: if it is not staged, if a test or a blocking check of the very file fails, or if a target refused it;
            then the status names that target.
    """
    with upload_lock(forge, identity):
        return _publish(forge, identity)


def _publish(forge: ForgeOnDisk, identity: VariantId) -> Published:
    """`publish_variant`, by the one who holds the lock."""
    status = derive_one(forge, identity, mine=identity)[identity]
    if status.state is State.SKIPPED:
        return Published((), ())
    if status.state not in UP_TO_DATE:
        raise ForgeError(
            f"is {status.state} ({status.reason}) and is not published", where=str(identity), remedy="build it first"
        )
    if status.held:
        return Published(status.artifacts, (), held=status.held)
    entries: list[tuple[str, tuple[ChannelEntry, ...]]] = []
    faults: list[str] = []
    targets = forge.targets_at_once(identity.package)
    ready = ready_variant(forge, status, [channel for _, channel in targets])
    for _, channel in targets:
        try:
            entries.append((channel.label, tuple(channel.publish(ready.files, ready.documents))))
            share_notes(forge, channel, ready.staged)
        except ForgeError as fault:
            faults.append(_with_label(fault, channel.label))
    unread = refresh(forge, (channel for _, channel in targets))
    faults += [_with_label(fault, label) for label, fault in unread.items()]
    if faults:
        reason = "; ".join(dict.fromkeys(faults))
        keep_failure(forge, identity, Failure(FailureClass.UPLOAD, reason, input_digest=status.input_digest))
        raise ForgeError(reason, where=f"upload of {identity}")
    forget_failure(forge, identity)
    return Published(status.artifacts, tuple(entries), ready.documents)


def _with_label(fault: ForgeError, label: str) -> str:
    text = str(fault)
    return text if text.startswith(label) else f"{label}: {text}"
