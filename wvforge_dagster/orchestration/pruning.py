"""Removing old builds of the forge's own packages from a channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from wvforge_dagster.channels.matching import fulfils, version_order
from wvforge_dagster.channels.protocol import Channel, ChannelEntry
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.columns import dimension_values
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.retention import Build, Retention, retain
from wvforge_dagster.orchestration.evidence import derive_statuses
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.landing import put_pages
from wvforge_dagster.orchestration.refreshing import refresh
from wvforge_dagster.orchestration.removed import remember_removed
from wvforge_dagster.orchestration.verifying import is_decided, own_artifact


@dataclass(frozen=True)
class Pruning:
    """What goes from a channel, and why the rest stays.

    Attributes:
        entries: the channel's own words for each build.
    """

    retention: Retention
    entries: Mapping[Build, ChannelEntry] = field(repr=False)


def plan_pruning(forge: ForgeOnDisk, channel: Channel, keep: int) -> Pruning:
    """What would go from a channel if `keep` builds of each package variant were kept. Nothing is removed.

    What packages of the forge's other targets depend on and their own target lacks stays as well: who uses a target may take
    them all together.

    Raises:
        ForgeError: if its kind allows no deletion, or it cannot be read, or what it holds of the forge's packages, or another
            target while something would go: what is not known is not removed.
    """
    channel.ensure_removable()
    for fault in refresh(forge, [channel]).values():
        raise fault
    statuses = derive_statuses(forge)
    mine = [statuses[identity] for identity in forge.catalog.variants]
    current = {artifact.sha256 for status in mine for artifact in status.artifacts}
    undecided = {status.id for status in mine if not is_decided(status)}
    entries = {_build(forge, channel, entry, current, undecided): entry for entry in channel.entries()}
    others = [] if channel is forge.staging else [other for _, other in forge.targets if other.label != channel.label]
    faults = list(refresh(forge, others).values())
    elsewhere: dict[str, dict[Build, ChannelEntry]] = {}
    for other in others:
        try:
            elsewhere[other.label] = {_build(forge, other, entry, set(), set()): entry for entry in other.entries()}
        except ForgeError as fault:
            faults.append(fault)
    known = {build: entry for found in (*elsewhere.values(), entries) for build, entry in found.items()}
    needed = {label: tuple(found) for label, found in elsewhere.items()}
    retention = retain(entries, keep, lambda spec, build: fulfils(spec, known[build]), needed)
    if retention.goes and faults:
        words = (
            f"is not pruned: whether others depend on its old builds is not known: {faults[0].where}: {faults[0].what}"
        )
        raise ForgeError(words, where=channel.label, remedy="mend that, and prune again")
    return Pruning(retention, entries)


def prune(forge: ForgeOnDisk, channel: Channel, pruning: Pruning) -> None:
    """Remove what `plan_pruning` found.

    Raises:
        ForgeError: if the channel changed in the meantime, or refuses; or if only its page could not be put.
    """
    entries = [pruning.entries[build] for build in pruning.retention.goes]
    if entries:
        remember_removed(forge, (entry.filename for entry in entries))
        channel.remove(entries)
        refresh(forge, [channel])
        for fault in put_pages(forge, [item for item in forge.targets if item[1].label == channel.label]):
            raise fault


def _build(
    forge: ForgeOnDisk, channel: Channel, entry: ChannelEntry, current: set[str], undecided: set[VariantId]
) -> Build:
    artifact = own_artifact(forge, channel, entry)
    record = artifact.record if artifact else None
    identity = forge.catalog.identity_of(record.package, record.partition, entry.subdir) if record else None
    variant = tuple(sorted((record.parts.get("variant") or {}).items())) if record else ()
    return Build(
        subdir=entry.subdir,
        filename=entry.filename,
        name=entry.name,
        series=(identity, entry.name, entry.subdir, variant) if record else None,
        order=(version_order(entry), entry.build_number, artifact.built if artifact else 0),
        depends=entry.depends,
        column=dimension_values(variant),
        current=entry.sha256 in current,
        undecided=identity in undecided,
    )
