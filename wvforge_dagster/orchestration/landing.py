"""Landing pages of channels: made of what a target lists, and put there by what has just changed it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime

import rattler

from wvforge_dagster import __version__
from wvforge_dagster.build.materials import without_credentials
from wvforge_dagster.channels.protocol import Channel, ChannelEntry
from wvforge_dagster.channels.targets import PublishTarget
from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.columns import DIMENSION_OF_KEY, label
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.evidence import Listed
from wvforge_dagster.core.install import install_spec
from wvforge_dagster.orchestration.evidence import channel_entries
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.inspected import inspect_entry
from wvforge_dagster.report.landing import Landing, ListedPackage, ListedVariant, landing_page
from wvforge_dagster.report.words import column_name


def put_pages(forge: ForgeOnDisk, targets: Iterable[tuple[PublishTarget, Channel]] | None = None) -> list[ForgeError]:
    """Put the landing page of each target that has one and lists something, by what it is known to list.

    Args:
        targets: those that changed; None for all.

    Returns:
        Why pages could not be put: nothing else depends on them.
    """
    faults = []
    for target, channel in forge.targets if targets is None else targets:
        if not getattr(target, "page", False):
            continue
        try:
            entries = channel_entries(forge, channel)
            if entries:
                channel.put_page(landing_page(_landing(forge, target, channel, entries)))
        except ForgeError as fault:
            faults.append(ForgeError(f"its page is not up to date: {fault}", where=channel.label))
    return faults


def _landing(forge: ForgeOnDisk, target: PublishTarget, channel: Channel, entries: tuple[ChannelEntry, ...]) -> Landing:
    by_name: dict[str, list[ChannelEntry]] = defaultdict(list)
    for entry in entries:
        by_name[entry.name].append(entry)
    artifacts = {entry.sha256: artifact for entry in entries if (artifact := _inspected(forge, channel, entry))}
    times = [artifact.built for artifact in artifacts.values() if artifact.built]
    return Landing(
        title=channel.label.partition(":")[2].rstrip("/").rpartition("/")[2] or channel.label,
        address=getattr(target, "address", None),
        upstream=[without_credentials(address) for address in forge.upstream_channels if "://" not in address],
        packages=tuple(_package(forge, by_name[name], artifacts) for name in sorted(by_name)),
        files=len(entries),
        newest=_time(max(times)) if times else None,
        wvforge=__version__,
    )


def _inspected(forge: ForgeOnDisk, channel: Channel, entry: ChannelEntry) -> Artifact | None:
    """What a package says of itself; None where it cannot be read: the page then says less of it."""
    with suppress(ForgeError, OSError):
        return inspect_entry(forge, channel, entry, ask=channel.is_local)
    return None


def _package(forge: ForgeOnDisk, entries: list[ChannelEntry], artifacts: dict[str, Artifact]) -> ListedPackage:
    newest = max((entry.version for entry in entries), key=rattler.Version)
    best: dict[str, ChannelEntry] = {}
    for entry in entries:
        if entry.version == newest:
            series = f"{entry.subdir}/{Listed.of(entry).series}"
            best[series] = max(entry, best.get(series, entry), key=lambda item: item.build_number)
    chosen = sorted(best.values(), key=lambda entry: (_variant(artifacts.get(entry.sha256)), entry.filename))
    name = entries[0].name
    owner = forge.catalog.packages.get(forge.catalog.provider.get(name, ""))
    about = owner.recipe.about if owner and owner.recipe else None
    return ListedPackage(
        name=name,
        version=newest,
        summary=about.summary if about else "",
        license=about.license if about else "",
        variants=tuple(_listed(entry, artifacts.get(entry.sha256), only_one=len(chosen) == 1) for entry in chosen),
    )


def _listed(entry: ChannelEntry, artifact: Artifact | None, *, only_one: bool) -> ListedVariant:
    return ListedVariant(
        variant=_variant(artifact) or ("" if only_one else entry.build),
        subdir=entry.subdir,
        filename=entry.filename,
        size=entry.size,
        built=_time(artifact.built) if artifact and artifact.built else None,
        spec=install_spec(entry.name, entry.version, entry.build, entry.build_number, only_one=only_one),
    )


def _variant(artifact: Artifact | None) -> str:
    """The column that a package says it was built in, in words; nothing if it does not say so."""
    parts = artifact.record.parts.get("variant") or {} if artifact and artifact.record else {}
    values = {DIMENSION_OF_KEY[key]: label(str(value)) for key, value in parts.items() if key in DIMENSION_OF_KEY}
    return column_name(values) if values else ""


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
