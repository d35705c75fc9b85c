"""The channels of a forge by the names that its user gives them."""

from __future__ import annotations

from wvforge_dagster.channels.protocol import Channel
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk


def channels_named(forge: ForgeOnDisk, label: str | None) -> tuple[Channel, ...]:
    """The channel with this label, such as ``file:output/channel`` or ``staging``; all of them for None.

    Raises:
        ForgeError: if the forge has no such channel.
    """
    channels = {channel.label: channel for channel in (forge.staging, *(channel for _, channel in forge.targets))}
    if label is None:
        return tuple(channels.values())
    if label not in channels:
        raise ForgeError(f"the forge has no channel {label!r}", remedy=f"it has {', '.join(channels)}")
    return (channels[label],)
