"""What remote channels listed when they were last asked. Losing it costs a question, not truth."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from wvforge_dagster.channels.protocol import Channel, ChannelEntry
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.whole_files import write_whole


def known_listing(forge: ForgeOnDisk, channel: Channel) -> tuple[ChannelEntry, ...]:
    """What a channel listed; nothing if it was never asked."""
    try:
        value = json.loads(_path(forge, channel).read_text(encoding="utf-8"))
        return tuple(ChannelEntry(**{**entry, "depends": tuple(entry.get("depends", ()))}) for entry in value)
    except (OSError, ValueError, TypeError):
        return ()


def keep_listing(forge: ForgeOnDisk, channel: Channel, entries: tuple[ChannelEntry, ...]) -> None:
    write_whole(_path(forge, channel), json.dumps([asdict(entry) for entry in entries]))


def _path(forge: ForgeOnDisk, channel: Channel) -> Path:
    name = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in channel.label)
    return forge.output / "cache" / "listings-2" / f"{name}.json"
