"""A whole channel compared with its index, and with what the forge expects there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wvforge_dagster.channels.package_archive import ENDINGS
from wvforge_dagster.channels.protocol import Channel, ChannelEntry, Discrepancy
from wvforge_dagster.channels.verification import ASIDE
from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.state import NOT_MADE_HERE, UP_TO_DATE, State, Status
from wvforge_dagster.orchestration.evidence import channel_entries, derive_statuses
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.inspected import inspect_entry
from wvforge_dagster.orchestration.refreshing import refresh

BUILD = "wvforge build"
REFUSED = "remove it there, or allow its license in forge.yaml"
NEXT = "wvforge build makes it under the next number"


@dataclass(frozen=True)
class Report:
    """What was found of one channel.

    Attributes:
        findings: what is wrong.
        damage: those of them that are of the channel itself, and not of what the forge expects there.
        information: what is there without being expected, and what could not be compared.
        checked: how many listed files were compared.
    """

    label: str
    findings: tuple[Discrepancy, ...]
    information: tuple[str, ...]
    checked: int
    damage: tuple[Discrepancy, ...]


def verify_channel(forge: ForgeOnDisk, channel: Channel, *, quick: bool = False) -> Report:
    """Compare a channel with its index, and with what the forge expects there. Of the channel nothing is changed.

    Raises:
        ForgeError: if it cannot be reached.
    """
    verified = channel.verify(quick=quick)
    information = [f"not compared: {words}" for words in verified.unchecked]
    aside = [finding for finding in verified.findings if _is_aside(finding)]
    information += [
        f"set aside: {finding.where.removeprefix(channel.label)[1:]}; {finding.remedy}" for finding in aside
    ]
    damage = tuple(finding for finding in verified.findings if finding not in aside)
    faults = refresh(forge, [channel])
    try:
        entries = channel.entries()
    except ForgeError:
        information.append("not compared: what the forge expects there, because its index cannot be read")
        return Report(channel.label, damage, tuple(information), verified.checked, damage)
    information += [f"not compared: {fault}" for fault in faults.values()]
    statuses = derive_statuses(forge)
    expected = tuple(_not_there(forge, channel, entries, statuses))
    information += _not_expected(forge, channel, entries, statuses)
    return Report(channel.label, (*damage, *expected), tuple(information), verified.checked, damage)


def _is_aside(finding: Discrepancy) -> bool:
    """Whether it is of a file that a publisher or a repair has put out of the way: dealt with, and in nobody's way."""
    return finding.where.rpartition(ASIDE)[0].endswith(ENDINGS)


def _not_there(
    forge: ForgeOnDisk, channel: Channel, entries: Iterable[ChannelEntry], statuses: Mapping[VariantId, Status]
) -> Iterable[Discrepancy]:
    """The package variants that go to a target and are not there. Staging is where they come from."""
    there = {(entry.subdir, entry.filename): entry.sha256 for entry in channel_entries(forge, channel)}
    held = {identity for _, identity in _owners(forge, channel, entries)}
    for target, other in forge.targets:
        if other.label != channel.label:
            continue
        for identity in forge.catalog.variants:
            status = statuses[identity]
            if status.state in NOT_MADE_HERE or not target.takes(identity.package):
                continue
            where = f"{channel.label}: {identity}"
            if why := forge.refused_by(identity.package).get(channel.label):
                for artifact in status.artifacts:
                    if there.get((artifact.subdir, artifact.filename)) == artifact.sha256:
                        yield Discrepancy(where, f"{artifact.filename} is there: {why}", REFUSED)
                continue
            hidden = [] if channel.label in status.channels else _hidden(forge, status, there)
            for filename in hidden:
                replace = f"wvforge channel replace {channel.label} {filename} puts the staged one there"
                yield Discrepancy(
                    where, f"{filename} is there with other content than in staging", f"{replace}, or {NEXT}"
                )
            if hidden:
                continue
            if status.state not in UP_TO_DATE:
                if identity not in held and target.publish == "at-once":
                    yield Discrepancy(where, f"is expected there, and is {status.state} ({status.reason})", BUILD)
            elif channel.label not in status.with_column and not status.held:
                for artifact in status.artifacts:
                    if (artifact.subdir, artifact.filename) not in there:
                        yield Discrepancy(where, f"{artifact.filename} is expected there", BUILD)


def _hidden(forge: ForgeOnDisk, status: Status, there: Mapping[tuple[str, str], str]) -> list[str]:
    """The staged files of what a package variant is to be made from, whose names a target uses for other content."""
    wanted = {item.input_digest for item in status.expected}
    return [
        entry.filename
        for entry in channel_entries(forge, forge.staging)
        if there.get((entry.subdir, entry.filename), entry.sha256) != entry.sha256
        and (artifact := own_artifact(forge, forge.staging, entry)) is not None
        and any(
            record.input_digest in wanted and VariantId(record.package, record.partition) == status.id
            for record in artifact.records
        )
    ]


def _not_expected(
    forge: ForgeOnDisk, channel: Channel, entries: Iterable[ChannelEntry], statuses: Mapping[VariantId, Status]
) -> list[str]:
    """What is there besides, in a line for each package variant."""
    entries = tuple(entries)
    current = {artifact.sha256 for identity in forge.catalog.variants for artifact in statuses[identity].artifacts}
    owners = dict(_owners(forge, channel, entries))
    lines = []
    for identity, count in sorted(Counter(owners[entry] for entry in owners if entry.sha256 not in current).items()):
        if identity not in forge.catalog.variants:
            lines.append(
                f"not expected: {identity}: {count} package{'s' if count > 1 else ''}, retired; wvforge channel prune"
            )
        elif is_decided(statuses[identity]):
            lines.append(
                f"not expected: {identity}: {count} older build{'s' if count > 1 else ''}; wvforge channel prune"
            )
    foreign = [entry.filename for entry in entries if entry not in owners]
    if foreign:
        shown = ", ".join(foreign[:5]) + (f" and {len(foreign) - 5} more" if len(foreign) > 5 else "")
        lines.append(f"not expected: not made by this forge: {shown}")
    return lines


def is_decided(status: Status) -> bool:
    """Whether it is known which build a package variant is up to date with; not so of what waits, is blocked or being built."""
    return bool(status.expected) or status.state is State.SKIPPED


def _owners(
    forge: ForgeOnDisk, channel: Channel, entries: Iterable[ChannelEntry]
) -> Iterable[tuple[ChannelEntry, VariantId]]:
    """The forge's own packages, with the package variant that each says it is of."""
    for entry in entries:
        artifact = own_artifact(forge, channel, entry)
        if artifact is not None and artifact.record is not None:
            yield entry, forge.catalog.identity_of(artifact.record.package, artifact.record.partition, entry.subdir)


def own_artifact(forge: ForgeOnDisk, channel: Channel, entry: ChannelEntry) -> Artifact | None:
    """What a listed package says of itself; None if it cannot be read."""
    try:
        return inspect_entry(forge, channel, entry, ask=True)
    except (ForgeError, OSError):
        return None
