"""Sealed notes: what this forge itself found out of a file in staging, in a note beside it.

A note counts only with its seal, which is made with a key of this forge's own (``output/gate.key``): one that was written by
hand, brought from a channel or copied from another file says nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from wvforge_dagster.channels.mirror import MirroredFolder
from wvforge_dagster.channels.protocol import ChannelEntry
from wvforge_dagster.core.digest import canonical
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk

_KEY_BYTES = 32
_SHARED_KEY = ".wvforge/gate.key"
_shared: set[tuple[str, str]] = set()
"""Output folders whose key this process has compared with that of a shared staging channel."""


class OfFile(Protocol):
    """A record that says which file it is of."""

    @property
    def sha256(self) -> str: ...


Sealed = TypeVar("Sealed", bound=OfFile)


def add_sealed(forge: ForgeOnDisk, entry: ChannelEntry, kind: str, value: Mapping[str, Any]) -> None:
    """Note a value of a kind beside a file in staging.

    Raises:
        ForgeError: if it cannot be written.
    """
    forge.staging.add_notes(entry, [{kind: value, "seal": _seal(_make_key(forge), value)}])


def read_sealed(
    forge: ForgeOnDisk, entry: ChannelEntry, kind: str, from_json: Callable[[Any], Sealed]
) -> tuple[Sealed, ...]:
    """The records of a kind that this forge noted beside a file in staging, and that are of this very file; the oldest first.

    Args:
        from_json: makes a record of its value; what it raises KeyError, TypeError or ValueError for says nothing.
    """
    found: list[Sealed] = []
    for value in _sealed_values(forge, entry, kind):
        with suppress(KeyError, TypeError, ValueError):
            found.append(from_json(value))
    return tuple(record for record in found if record.sha256 == entry.sha256)


def _sealed_values(forge: ForgeOnDisk, entry: ChannelEntry, kind: str) -> Iterator[dict[str, Any]]:
    key = _read_key(forge)
    for note in forge.staging.notes(entry) if key is not None else ():
        value, seal = note.get(kind), note.get("seal")
        if key and isinstance(value, dict) and isinstance(seal, str) and _is_sealed(key, value, seal):
            yield value


def without_sealed(notes: Iterable[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """Notes that may go from one channel to another: a sealed one is true in the staging channel of the forge that wrote it."""
    return [note for note in notes if "seal" not in note]


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
        _write_key(path, secrets.token_bytes(_KEY_BYTES))
    return path.read_bytes()


def _write_key(path: Path, key: bytes, *, instead: bool = False) -> None:
    """Whole before it has its name, so that two processes that make it agree on one.

    Args:
        instead: write over one that is there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".gate-{secrets.token_hex(8)}")
    with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(key)
    if instead:
        made.replace(path)
        return
    with suppress(FileExistsError):
        os.link(made, path)
    made.unlink()


def share_key(forge: ForgeOnDisk, staging: MirroredFolder) -> None:
    """See that all machines with one staging channel have one key: the first one's. Who may read what lies beside that channel
    has it; to write a record, one needs to write there as well.

    Raises:
        ForgeError: if the shared staging channel cannot be reached.
    """
    known = (forge.output.as_posix(), staging.shared.label)
    if known in _shared and _key_path(forge).exists():
        return
    there = staging.objects.read(_SHARED_KEY)
    if there is None or len(there.content) != _KEY_BYTES:
        staging.objects.put(_SHARED_KEY, _make_key(forge), instead_of=there)
        there = staging.objects.read(_SHARED_KEY)
    if there is not None and len(there.content) == _KEY_BYTES:
        if there.content != _read_key(forge):
            _write_key(_key_path(forge), there.content, instead=True)
        _shared.add(known)


def _key_path(forge: ForgeOnDisk) -> Path:
    return forge.output / "gate.key"
