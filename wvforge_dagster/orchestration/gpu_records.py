"""What came of GPU tests: a sealed note beside the file in staging, whatever machine they ran on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from wvforge_dagster.channels.protocol import ChannelEntry
from wvforge_dagster.core.gpu import GpuRecord
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.seals import add_sealed, read_sealed

KEY = "gpu"
"""What tells the note of a record from other notes."""


def write_gpu_record(forge: ForgeOnDisk, entry: ChannelEntry, record: GpuRecord) -> None:
    """Raises ForgeError if it cannot be written."""
    add_sealed(forge, entry, KEY, record.to_json())


def read_gpu_records(forge: ForgeOnDisk, entry: ChannelEntry) -> tuple[GpuRecord, ...]:
    """The records of a file in staging that this forge wrote, the oldest first."""
    return read_sealed(forge, entry, KEY, GpuRecord.from_json)


def gpu_records(forge: ForgeOnDisk, staged: Iterable[ChannelEntry]) -> Mapping[str, tuple[GpuRecord, ...]]:
    """The records of each staged file whose recipe has GPU tests, by its sha256."""
    return {entry.sha256: read_gpu_records(forge, entry) for entry in staged if _has_gpu_tests(forge, entry)}


def _has_gpu_tests(forge: ForgeOnDisk, entry: ChannelEntry) -> bool:
    owner = forge.catalog.owner(entry.name, entry.subdir)
    recipe = forge.catalog.packages[owner].recipe if owner is not None else None
    return recipe is not None and any(item.name == entry.name and item.gpu_tests for item in recipe.outputs)
