"""Asking what lies outside: remote channels what they hold, git servers what their tags are. `status` does not ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from wvforge_dagster.channels.protocol import Channel
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.orchestration.commits import ask_commits
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.inspected import learn
from wvforge_dagster.orchestration.listings import keep_listing
from wvforge_dagster.orchestration.locks import asking


def refresh(forge: ForgeOnDisk, channels: Iterable[Channel]) -> Mapping[str, ForgeError]:
    """Ask remote channels what they list, and keep it. Returns the faults of those that cannot be asked, by label."""
    faults: dict[str, ForgeError] = {}
    for channel in channels:
        if channel.is_local:
            continue
        try:
            with asking(forge, channel.label):
                entries = channel.entries()
                keep_listing(forge, channel, entries)
        except ForgeError as fault:
            faults[channel.label] = fault
            continue
        unread = learn(forge, channel, entries)
        if unread is not None:
            faults[channel.label] = unread
    return faults


def refresh_everything(forge: ForgeOnDisk) -> Mapping[str, ForgeError]:
    """Ask all remote targets and all git sources of the forge. Returns the faults, by label or source."""
    faults = dict(refresh(forge, (channel for _, channel in forge.targets)))
    return faults | dict(ask_commits(forge, forge.catalog.packages))
