"""Promoting a column: all its packages to the targets that take whole columns, once all of them passed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dagster._core.instance import InstanceRef

from wvforge_dagster.channels.protocol import Channel
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.promotion import Column, column_of
from wvforge_dagster.core.state import Status
from wvforge_dagster.orchestration.evidence import derive_statuses
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.instance import open_quiet_instance, storage_faults
from wvforge_dagster.orchestration.landing import put_pages
from wvforge_dagster.orchestration.ready import ready_variant
from wvforge_dagster.orchestration.recording import record_up_to_date
from wvforge_dagster.orchestration.refreshing import refresh
from wvforge_dagster.orchestration.staging import share_notes
from wvforge_dagster.settings import dagster_home


@dataclass(frozen=True)
class Promotion:
    """What the promotion of a column is.

    Attributes:
        lacks: the package variants that each target does not hold yet, in dependency order, by its label.
    """

    column: Column
    lacks: Mapping[str, tuple[Status, ...]]


def plan_promotions(forge: ForgeOnDisk, keys: tuple[str, ...]) -> tuple[Promotion, ...]:
    """What promoting these columns would do, by what targets are known to list. Nothing is asked or written.

    Raises:
        ForgeError: if there is no such column, or no target takes whole columns.
    """
    if not forge.targets_by_column:
        raise ForgeError(
            "no target has publish: by-column",
            where=str(forge.root / "forge.yaml: publish"),
            remedy="packages are published one by one",
        )
    statuses = derive_statuses(forge)
    columns = [column_of(forge.catalog, statuses, key) for key in keys]
    return tuple(
        Promotion(column, {channel.label: _lacking(column, channel) for _, channel in forge.targets_by_column})
        for column in columns
    )


def promote(forge: ForgeOnDisk, keys: tuple[str, ...], instance: InstanceRef | None = None) -> tuple[Promotion, ...]:
    """Publish those of these columns whose package variants all passed, each column to each target in one go.

    Where it ends in the middle, the next promotion completes it. A target that fails does not hold up the others.

    Args:
        instance: where Dagster records it; None for the forge's own.

    Returns:
        What was found for each column: those that lack something were not promoted.

    Raises:
        ForgeError: naming the targets that refused, or could not be asked.
    """
    faults = [str(fault) for fault in _refresh(forge).values()]
    promotions = plan_promotions(forge, keys)
    for promotion in promotions:
        if promotion.column.lacking:
            continue
        for _, channel in forge.targets_by_column:
            try:
                ready = [ready_variant(forge, status, [channel]) for status in promotion.lacks[channel.label]]
                if ready:
                    documents = {sha256: found for item in ready for sha256, found in item.documents.items()}
                    channel.publish([file for item in ready for file in item.files], documents)
                    share_notes(forge, channel, [entry for item in ready for entry in item.staged])
            except ForgeError as fault:
                faults.append(str(fault))
    faults += [str(fault) for fault in _refresh(forge).values()]
    faults += [str(fault) for fault in put_pages(forge, forge.targets_by_column)]
    with open_quiet_instance(forge, instance) as opened, storage_faults(dagster_home(forge.output)):
        record_up_to_date(opened, derive_statuses(forge).values())
    if faults:
        raise ForgeError("; ".join(dict.fromkeys(faults)), remedy="promote again, to go on")
    return promotions


def promotion_lines(promotion: Promotion) -> list[str]:
    """What goes where; or, where that is not to be, what is missing."""
    column = promotion.column
    name = f"column {column.key}" if column.key else "the only column"
    if column.lacking:
        lines = [f"{status.id} is {status.state}: {status.reason}" for status in column.lacking]
        return [f"{name}: {column.progress} passed; it is not promoted", *lines]
    return [f"{name}: {column.progress} passed"] + [
        f"{label}: {' '.join(item.filename for status in lacks for item in status.artifacts) or 'holds all of it'}"
        for label, lacks in promotion.lacks.items()
    ]


def _refresh(forge: ForgeOnDisk) -> Mapping[str, ForgeError]:
    return refresh(forge, (channel for _, channel in forge.targets_by_column))


def _lacking(column: Column, channel: Channel) -> tuple[Status, ...]:
    return tuple(status for status in column.passed if channel.label in status.with_column)
