"""The gate's records: beside each file in staging, a note of the tests and checks that this very file passed.

A record counts only with its seal, which is made with a key of this forge's own (``output/gate.key``): one that was written
by hand, brought from a channel or copied from another file is none. Losing the key or a record costs the tests of that file
once more, when it is to go somewhere; nothing that is published is lost.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from wvforge_dagster.channels.protocol import ChannelEntry
from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.digest import canonical, digest
from wvforge_dagster.core.findings import CheckResult
from wvforge_dagster.core.gate import GateRecord
from wvforge_dagster.core.state import Expected
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk

_KEY_BYTES = 32

KEY = "gate"
"""What tells the note of a record from other notes."""


def write_record(forge: ForgeOnDisk, entry: ChannelEntry, expected: Expected, results: Iterable[CheckResult]) -> None:
    """Note beside a file in staging that it passed the tests of `expected`, and what the checks found.

    Raises:
        ForgeError: if it cannot be written.
    """
    value = GateRecord(entry.sha256, digest(expected.tests), tuple(results)).to_json()
    forge.staging.add_notes(entry, [{KEY: value, "seal": _seal(_make_key(forge), value)}])


def read_records(forge: ForgeOnDisk, entry: ChannelEntry) -> tuple[GateRecord, ...]:
    """The records of a file in staging that this forge wrote, the oldest first."""
    found: list[GateRecord] = []
    key = _read_key(forge)
    for note in forge.staging.notes(entry) if key is not None else ():
        value, seal = note.get(KEY), note.get("seal")
        if key and isinstance(value, dict) and isinstance(seal, str) and _is_sealed(key, value, seal):
            with suppress(KeyError, TypeError, ValueError):
                found.append(GateRecord.from_json(value))
    return tuple(record for record in found if record.sha256 == entry.sha256)


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


def without_records(notes: Iterable[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """Notes that may go from one channel to another: a record is true in the staging channel of the forge that wrote it."""
    return [note for note in notes if KEY not in note]


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


def _is_sealed(key: bytes, value: Mapping[str, Any], seal: str) -> bool:
    return hmac.compare_digest(seal.encode(), _seal(key, value).encode())


def _seal(key: bytes, value: Mapping[str, Any]) -> str:
    return hmac.new(key, canonical(value).encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def _read_key(forge: ForgeOnDisk) -> bytes | None:
    """The forge's key; None if there is none, or it is another user's."""
    try:
        found = _key_path(forge).read_bytes()
    except OSError:
        return None
    return found if len(found) == _KEY_BYTES else None


def _make_key(forge: ForgeOnDisk) -> bytes:
    """The forge's key, made when it is first needed. No build in a sandbox can read it: it sees its own folders only.

    Raises:
        OSError: if it can be neither read nor written.
    """
    path = _key_path(forge)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size != _KEY_BYTES:
        path.unlink(missing_ok=True)
    if not path.exists():
        # Whole before it has its name, so that two processes that make it agree on one.
        made = path.with_name(f".gate-{secrets.token_hex(8)}")
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(secrets.token_bytes(_KEY_BYTES))
        with suppress(FileExistsError):
            os.link(made, path)
        made.unlink()
    return path.read_bytes()


def _key_path(forge: ForgeOnDisk) -> Path:
    return forge.output / "gate.key"
