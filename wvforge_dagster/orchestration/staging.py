"""Bringing packages that only a target holds into the staging channel, which builds and uploads read from."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from wvforge_dagster.channels.protocol import Channel, ChannelEntry
from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.state import Status
from wvforge_dagster.orchestration.evidence import channel_entries
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.seals import without_sealed


def bring(forge: ForgeOnDisk, artifacts: Iterable[Artifact]) -> tuple[ChannelEntry, ...]:
    """The entries of these packages in staging, in order; those that are not there are fetched from a target first.

    Raises:
        ForgeError: if one can be had from no target.
    """
    wanted = tuple(artifacts)
    staged = _by_file(channel_entries(forge, forge.staging))
    missing = [artifact for artifact in wanted if _key(artifact) not in staged]
    if missing:
        work = forge.output / "work"
        work.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="fetched-", dir=work) as folder:
            for artifact in missing:
                _fetch(forge, artifact, Path(folder))
        staged = _by_file(channel_entries(forge, forge.staging))
    entries = tuple(staged[_key(artifact)] for artifact in wanted)
    if forge.mirror is not None:
        forge.mirror.bring(entries)
    return entries


def _fetch(forge: ForgeOnDisk, artifact: Artifact, folder: Path) -> None:
    faults = []
    for _, channel in forge.targets:
        entry = _by_file(channel_entries(forge, channel)).get(_key(artifact))
        if entry is not None:
            try:
                (staged,) = forge.staging.publish([channel.fetch(entry, folder)])
                forge.staging.add_notes(staged, without_sealed(channel.notes(entry)))
            except ForgeError as fault:
                faults.append(str(fault))
            else:
                return
    raise ForgeError(
        f"{artifact.filename} cannot be brought to staging: {'; '.join(faults) or 'no target holds it'}",
        remedy="build it again with --force",
    )


def share_notes(forge: ForgeOnDisk, channel: Channel, entries: Iterable[ChannelEntry]) -> None:
    """Copy what was noted on packages in staging to `channel`, which holds them too."""
    there = _by_file(channel_entries(forge, channel))
    for staged in entries:
        entry = there.get((staged.subdir, staged.filename, staged.sha256))
        if entry is not None:
            channel.add_notes(entry, without_sealed(forge.staging.notes(staged)))


def share_all_notes(forge: ForgeOnDisk, statuses: Iterable[Status]) -> None:
    """`share_notes` for everything that is published, in the local channels: an upload may not have followed a note.

    A channel that cannot be written is passed over: it is a fault of its uploads.
    """
    noted = [artifact for status in statuses if status.channels for artifact in status.artifacts if artifact.notes]
    staged = _by_file(channel_entries(forge, forge.staging)) if noted else {}
    entries = [staged[_key(artifact)] for artifact in noted if _key(artifact) in staged]
    for _, channel in forge.targets if entries else ():
        if channel.is_local:
            with suppress(ForgeError):
                share_notes(forge, channel, entries)


def _key(item: Artifact | ChannelEntry) -> tuple[str, str, str]:
    return item.subdir, item.filename, item.sha256


def _by_file(entries: Iterable[ChannelEntry]) -> dict[tuple[str, str, str], ChannelEntry]:
    return {_key(entry): entry for entry in entries}
