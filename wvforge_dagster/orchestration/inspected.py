"""What packages in channels say of themselves. Each is read once in its life: what it says is kept by its sha256."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from wvforge_dagster.build.inspect import INFO_FILES, describe_package
from wvforge_dagster.channels.protocol import Channel, ChannelEntry
from wvforge_dagster.core.artifact import Artifact, Record
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.whole_files import write_whole

_inspected: dict[str, Artifact] = {}


def learn(forge: ForgeOnDisk, channel: Channel, entries: Iterable[ChannelEntry]) -> ForgeError | None:
    """Read what the forge's own packages in a channel say of themselves, unless that is known. Returns the last fault."""
    fault = None
    for entry in entries:
        if forge.catalog.owner(entry.name, entry.subdir) is not None:
            try:
                inspect_entry(forge, channel, entry, ask=True)
            except ForgeError as error:
                fault = error
    return fault


def inspect_entry(forge: ForgeOnDisk, channel: Channel, entry: ChannelEntry, *, ask: bool) -> Artifact | None:
    """What a listed package says of itself, with the notes on it.

    Args:
        ask: whether it may be read from its channel, if it is not known yet.

    Raises:
        ForgeError: if it cannot be read.
    """
    found = _inspected.get(entry.sha256)
    if found is None:
        cache = forge.output / "cache" / "inspected-4" / f"{entry.sha256}.json"
        found = _read_artifact(cache, entry)
        if found is None and ask:
            try:
                info = channel.read(entry, INFO_FILES)
                found = describe_package(entry.subdir, entry.filename, entry.sha256, entry.size, info)
            except (KeyError, TypeError, ValueError) as error:
                raise ForgeError(f"{entry.filename} is no whole package: {error}", where=channel.label) from None
            write_whole(cache, json.dumps(_to_json(found)))
        if found is None:
            return None
        _inspected[entry.sha256] = found
    notes = tuple(note for note in map(Record.from_extra, channel.notes(entry)) if note is not None)
    return replace(found, notes=notes) if notes else found


def _to_json(artifact: Artifact) -> dict[str, object]:
    record = artifact.record.to_extra() if artifact.record else None
    return {"content": artifact.content, "file_count": artifact.file_count, "built": artifact.built, "record": record}


def _read_artifact(cache: Path, entry: ChannelEntry) -> Artifact | None:
    try:
        value = json.loads(cache.read_text(encoding="utf-8"))
        return Artifact(
            subdir=entry.subdir,
            filename=entry.filename,
            name=entry.name,
            version=entry.version,
            build=entry.build,
            build_number=entry.build_number,
            sha256=entry.sha256,
            size=entry.size,
            content=value["content"],
            record=Record.from_extra(value["record"]),
            file_count=value["file_count"],
            built=value["built"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
