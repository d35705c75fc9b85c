"""The gate's records: beside each file in staging, a note of the tests and checks that this very file passed.

A record counts only with its seal (`seals`). Losing the key or a record costs the tests of that file once more, when it is to
go somewhere; nothing that is published is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

from wvforge_dagster.channels.protocol import ChannelEntry
from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.device_code import ARCHITECTURES, DeviceCode, from_seen
from wvforge_dagster.core.digest import digest
from wvforge_dagster.core.findings import CheckResult
from wvforge_dagster.core.gate import GateRecord
from wvforge_dagster.core.state import Expected
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.seals import add_sealed, read_sealed

KEY = "gate"
"""What tells the note of a record from other notes."""


def write_record(forge: ForgeOnDisk, entry: ChannelEntry, expected: Expected, results: Iterable[CheckResult]) -> None:
    """Note beside a file in staging that it passed the tests of `expected`, and what the checks found.

    Raises:
        ForgeError: if it cannot be written.
    """
    add_sealed(forge, entry, KEY, GateRecord(entry.sha256, digest(expected.tests), tuple(results)).to_json())


def read_records(forge: ForgeOnDisk, entry: ChannelEntry) -> tuple[GateRecord, ...]:
    """The records of a file in staging that this forge wrote, the oldest first."""
    return read_sealed(forge, entry, KEY, GateRecord.from_json)


def passed_tests(forge: ForgeOnDisk, package: str, entry: ChannelEntry) -> frozenset[str]:
    """Digests of the tests that a file in staging passed, by records that let it pass as forge.yaml weighs findings now."""
    settings = forge.forge.checks.of(package)
    return frozenset(record.tests for record in read_records(forge, entry) if record.lets_pass(entry.sha256, settings))


def cleared_files(
    forge: ForgeOnDisk, staged: Iterable[ChannelEntry], published: Iterable[ChannelEntry]
) -> Mapping[str, frozenset[str]]:
    """`passed_tests` of each of the forge's files that is in staging and in no target, by its sha256."""
    elsewhere = {entry.sha256 for entry in published}
    found = {}
    for entry in staged:
        owner = forge.catalog.owner(entry.name, entry.subdir)
        if owner is not None and entry.sha256 not in elsewhere:
            found[entry.sha256] = passed_tests(forge, owner, entry)
    return found


def is_cleared(forge: ForgeOnDisk, package: str, entry: ChannelEntry, expected: Expected) -> bool:
    """Whether a file in staging may go to a target: it passed every blocking check, and the tests that its recipe has now."""
    passed = passed_tests(forge, package, entry)
    return digest(expected.tests) in passed or bool(passed and not expected.tests["tests"])


def findings_of(forge: ForgeOnDisk, package: str, entry: ChannelEntry) -> tuple[CheckResult, ...]:
    """What the last record of a file in staging has that forge.yaml does not turn off."""
    settings = forge.forge.checks.of(package)
    last = read_records(forge, entry)[-1:]
    return tuple(result for record in last for result in record.results if result.severity(settings) is not None)


def device_code_of(forge: ForgeOnDisk, entry: ChannelEntry) -> Mapping[str, DeviceCode]:
    """The device code in a file in staging, by library, as its last record has it; nothing if there is none."""
    for record in reversed(read_records(forge, entry)):
        for result in record.results:
            if result.name == ARCHITECTURES:
                with suppress(TypeError, ValueError):
                    return from_seen(result.seen)
    return {}


def entry_of(artifact: Artifact) -> ChannelEntry:
    """What staging will list for a package that was just built."""
    return ChannelEntry(
        artifact.subdir,
        artifact.filename,
        artifact.name,
        artifact.version,
        artifact.build,
        artifact.build_number,
        artifact.sha256,
        artifact.size,
    )
