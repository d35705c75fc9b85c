"""Putting a staged package in the place of another file of its name: the one way to use a filename again."""

from __future__ import annotations

import tempfile
from pathlib import Path

from wvforge_dagster.channels.protocol import Channel, ChannelEntry
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.orchestration.evidence import derive_statuses
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.locks import upload_lock
from wvforge_dagster.orchestration.ready import ready_file
from wvforge_dagster.orchestration.refreshing import refresh
from wvforge_dagster.orchestration.staging import share_notes
from wvforge_dagster.orchestration.verifying import own_artifact


def replace_file(forge: ForgeOnDisk, channel: Channel, filename: str) -> bool:
    """Replace a file of a target by the staged one of the same name.

    If it ends in the middle, the target lists no such file; `wvforge build`, or a promotion, publishes what is up to date.

    Returns:
        False if the target holds the staged one already; then nothing was done.

    Raises:
        ForgeError: if the target's kind allows no deletion, there is none in staging or in the target, the staged one was
            changed or has no record that it passed, or the target refuses.
    """
    channel.ensure_removable()
    staged = _only(forge.staging, filename)
    there = _only(channel, filename)
    if there.subdir != staged.subdir:
        raise ForgeError(f"{filename} is of {there.subdir}, and the staged one of {staged.subdir}", where=channel.label)
    if channel.label == forge.staging.label:
        raise ForgeError("files of staging are not replaced", where=filename, remedy="name a publish target")
    artifact = own_artifact(forge, forge.staging, staged)
    if artifact is None:
        raise ForgeError("cannot be read", where=f"staging/{staged.subdir}/{filename}", remedy="build it again")
    record = artifact.record
    package, partition = (record.package, record.partition) if record else (artifact.name, "")
    identity = forge.catalog.identity_of(package, partition, staged.subdir)
    if why := forge.refused_by(identity.package).get(channel.label):
        raise ForgeError(f"{filename} is not published there: {why}", where=channel.label)
    with upload_lock(forge, identity):
        status = derive_statuses(forge).get(identity)
        ready = ready_file(forge, staged, artifact, status)
        if _holds(channel, there, staged):
            return False
        channel.remove([there])
        try:
            channel.publish(ready.files, ready.documents)
        except ForgeError as fault:
            words = f"{fault}; it was taken out of {channel.label} and is not back"
            raise ForgeError(words, remedy="wvforge build, or channel promote, puts it back") from None
        share_notes(forge, channel, [staged])
    refresh(forge, [channel])
    return True


def _only(channel: Channel, filename: str) -> ChannelEntry:
    found = [entry for entry in channel.entries() if entry.filename == filename]
    if len(found) != 1:
        many = f"is there in {len(found)} platforms" if found else "is not listed there"
        raise ForgeError(f"{filename} {many}", where=channel.label, remedy="wvforge build publishes what is new")
    return found[0]


def _holds(channel: Channel, there: ChannelEntry, staged: ChannelEntry) -> bool:
    """Whether the file in the target has the staged one's content: its bytes, not only what the index says of them."""
    if there.sha256 != staged.sha256:
        return False
    with tempfile.TemporaryDirectory() as folder:
        try:
            return channel.fetch(there, Path(folder)).sha256 == staged.sha256
        except ForgeError:
            return False
