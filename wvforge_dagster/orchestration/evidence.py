"""Gathering what states are derived from: digests of files, what lies in the channels, failures, builds under way."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from wvforge_dagster.build.machine import recorded_parts
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.channels.protocol import Channel, ChannelEntry
from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.derive import derive, derive_some
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.evidence import Evidence, Listed
from wvforge_dagster.core.platforms import plain_name
from wvforge_dagster.core.state import Status
from wvforge_dagster.orchestration.commits import known_commits
from wvforge_dagster.orchestration.failures import read_failures
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.gate import cleared_files
from wvforge_dagster.orchestration.gpu_records import gpu_records
from wvforge_dagster.orchestration.inspected import inspect_entry
from wvforge_dagster.orchestration.isolation import isolation_name
from wvforge_dagster.orchestration.listings import known_listing
from wvforge_dagster.orchestration.locks import held_locks
from wvforge_dagster.orchestration.recipe_files import files_of_recipes
from wvforge_dagster.orchestration.removed import removed_filenames
from wvforge_dagster.orchestration.shared_staging import pull
from wvforge_dagster.settings import platform_of_machine


def derive_statuses(forge: ForgeOnDisk, *, mine: VariantId | None = None) -> dict[VariantId, Status]:
    """The status of every package variant, now. Of remote targets, what they said last; a staging channel that machines share
    is asked.

    Args:
        mine: the package variant whose lock the caller holds: it does not count as being built.
    """
    return derive(forge.catalog, gather(forge, mine=mine))


def derive_one(forge: ForgeOnDisk, identity: VariantId, *, mine: VariantId | None = None) -> dict[VariantId, Status]:
    """The status of a package variant and of all that it needs, now: what one build asks for, whatever else the forge holds.

    Args:
        mine: as in `derive_statuses`.
    """
    identities = forge.catalog.with_needs(identity)
    return derive_some(forge.catalog, gather(forge, mine=mine, only=identities), identities)


def gather(forge: ForgeOnDisk, *, mine: VariantId | None = None, only: tuple[VariantId, ...] | None = None) -> Evidence:
    """All evidence, now.

    Args:
        only: the package variants that it is to tell of; None for all.

    Raises:
        ForgeError: if staging cannot be read, or be reached where machines share it.
    """
    pull(forge)
    packages: Set[str] = forge.catalog.packages.keys()
    names: Set[str] | None = None
    if only is not None:
        packages = {identity.package for identity in only}
        names = {plain_name(name) for name, owner in forge.catalog.provider.items() if owner in packages}
    listings = {channel.label: channel_entries(forge, channel, names) for _, channel in forge.targets}
    staged = channel_entries(forge, forge.staging, names)
    return Evidence(
        machine=platform_of_machine(),
        files=files_of_recipes(forge, packages),
        artifacts=_artifacts(forge, [(forge.staging, staged), *((c, listings[c.label]) for _, c in forge.targets)]),
        published={label: _listed(entries) for label, entries in listings.items()},
        targets={name: tuple(channel.label for _, channel in forge.targets_of(name)) for name in packages},
        refused={name: forge.refused_by(name) for name in packages},
        by_column=frozenset(channel.label for _, channel in forge.targets_by_column),
        failures=read_failures(forge),
        building=held_locks(forge, only) - {mine},
        commits=known_commits(forge),
        recorded=recorded_parts(isolation_name(forge)),
        rebuild_on=frozenset(forge.forge.rebuild_on),
        gpu=gpu_records(forge, staged),
        gpu_required=forge.forge.gpu_tests == "required",
        cleared=cleared_files(forge, staged, (entry for entries in listings.values() for entry in entries)),
    )


def channel_entries(forge: ForgeOnDisk, channel: Channel, names: Set[str] | None = None) -> tuple[ChannelEntry, ...]:
    """What a channel lists: now, if it is local, else as it was when it was last asked.

    A file of a folder that is gone or not of its listed length is left out: it is no package. A target whose index cannot be
    read lists nothing (`unreadable_targets` names it): the others are not stopped by it.

    Args:
        names: of the packages that are asked for; None for all.

    Raises:
        ForgeError: if the index of staging cannot be read.
    """
    if not channel.is_local:
        return tuple(e for e in known_listing(forge, channel) if names is None or e.name in names)
    folder = Path(unquote(urlsplit(channel.url).path))
    try:
        entries = channel.entries()
    except ForgeError:
        if channel is forge.staging:
            raise
        return ()
    asked = (e for e in entries if names is None or e.name in names)
    return tuple(e for e in asked if _is_there(f"{folder}/{e.subdir}/{e.filename}", e.size))


def unreadable_targets(forge: ForgeOnDisk) -> Mapping[str, ForgeError]:
    """The faults of the local targets whose index cannot be read, by label."""
    faults: dict[str, ForgeError] = {}
    for _, channel in forge.targets:
        if channel.is_local:
            try:
                channel.entries()
            except ForgeError as fault:
                faults[channel.label] = fault
    return faults


def known_filenames(forge: ForgeOnDisk) -> frozenset[str]:
    """Every filename that staging or a target is known to list, whether its file is still there or not; or that was pruned."""
    channels = (forge.staging, *(channel for _, channel in forge.targets))
    listings = (channel.entries() if channel.is_local else known_listing(forge, channel) for channel in channels)
    return frozenset(entry.filename for listing in listings for entry in listing) | removed_filenames(forge)


def _artifacts(
    forge: ForgeOnDisk, channels: Iterable[tuple[Channel, tuple[ChannelEntry, ...]]]
) -> tuple[Artifact, ...]:
    """The forge's own packages in these channels, each once, with the notes of all of them."""
    found: dict[tuple[str, str, str], Artifact] = {}
    for channel, entries in channels:
        for entry in entries:
            with contextlib.suppress(ForgeError, OSError):
                artifact = inspect_entry(forge, channel, entry, ask=channel.is_local)
                if artifact is not None and artifact.record is not None:
                    key = (entry.subdir, entry.filename, entry.sha256)
                    there = found.get(key, artifact)
                    # Staging comes first, and its notes are the newest.
                    notes = tuple(note for note in artifact.notes if note not in there.notes) + there.notes
                    found[key] = replace(there, notes=notes) if notes != there.notes else there
    return tuple(found.values())


def _is_there(path: str, size: int) -> bool:
    """Whether a file that an index lists is there, in its length: one that was removed or cut is not published."""
    try:
        status = os.stat(path)  # noqa: PTH116 - thousands of times: a `Path` takes longer than the question
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == size


def mend_channels(forge: ForgeOnDisk) -> None:
    """Finish in the channel folders what a killed publisher began, and write an index anew that cannot be read."""
    for channel in (forge.staging, *(channel for _, channel in forge.targets)):
        if isinstance(channel, FolderChannel):
            # A target that cannot be written is a fault of the upload, not of the build.
            with contextlib.suppress(ForgeError) if channel is not forge.staging else contextlib.nullcontext():
                channel.mend()


def _listed(entries: Iterable[ChannelEntry]) -> frozenset[Listed]:
    return frozenset(Listed.of(entry) for entry in entries)
