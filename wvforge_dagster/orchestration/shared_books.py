"""What a forge remembers besides packages, and machines with one staging channel share: failures, measures, names in use.

Each machine has all of it in its own output folder, as a machine that works alone has. What it writes there it puts beside the
shared staging channel too, and `pull_books` brings what the others put.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote

from wvforge_dagster.channels.mirror import MirroredFolder
from wvforge_dagster.channels.objects import put_over
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.whole_files import write_whole

SHARED = ".wvforge"
"""Where it lies beside the shared channel: no platform has this name."""

_BOOKS = f"{SHARED}/books"
_KINDS = ("failures", "measures", "removed.json")
_LARGEST = 1 << 20


def keep_book(forge: ForgeOnDisk, path: Path, text: str) -> None:
    """Write a file of the output folder, for all machines.

    Raises:
        ForgeError: if the shared staging channel cannot be written.
    """
    write_whole(path, text)
    if isinstance(forge.staging, MirroredFolder):
        put_over(forge.staging.objects, _name(forge, path), text.encode())


def drop_book(forge: ForgeOnDisk, path: Path) -> None:
    """Remove a file of the output folder, for all machines.

    Raises:
        ForgeError: if the shared staging channel cannot be written.
    """
    there = path.exists()
    path.unlink(missing_ok=True)
    if there and isinstance(forge.staging, MirroredFolder):
        forge.staging.objects.remove(_name(forge, path))


def pull_all_books(forge: ForgeOnDisk) -> None:
    """`pull_books`, where machines share a staging channel."""
    if isinstance(forge.staging, MirroredFolder):
        pull_books(forge, forge.staging)


def pull_books(forge: ForgeOnDisk, staging: MirroredFolder) -> tuple[Path, ...]:
    """Bring what other machines wrote or removed since the last time. Returns what changed here.

    Raises:
        ForgeError: if the shared staging channel cannot be read.
    """
    state = forge.output / "cache" / "shared-books.json"
    known = read_etags(state)
    listed = {
        name: item.etag
        for name, item in staging.objects.listing(_BOOKS).items()
        if _local(forge, name) is not None and item.size <= _LARGEST
    }
    changed: list[Path] = []
    for name, etag in listed.items():
        path = _local(forge, name)
        if path is None or known.get(name) == etag:
            continue
        found = staging.objects.read(f"{_BOOKS}/{name}")
        text = found.content.decode("utf-8", "replace") if found else None
        if text is not None and (not path.is_file() or path.read_text(encoding="utf-8", errors="replace") != text):
            write_whole(path, text)
            changed.append(path)
    for name in known.keys() - listed.keys():
        path = _local(forge, name)
        if path is not None:
            path.unlink(missing_ok=True)
    if known != listed:
        write_whole(state, json.dumps(listed))
    return tuple(changed)


def read_etags(path: Path) -> dict[str, str]:
    """What was listed the last time; nothing if that is not known."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): str(etag) for name, etag in found.items()} if isinstance(found, dict) else {}


def _name(forge: ForgeOnDisk, path: Path) -> str:
    return f"{_BOOKS}/{quote(path.relative_to(forge.output).as_posix(), safe='')}"


def _local(forge: ForgeOnDisk, name: str) -> Path | None:
    """Where an object belongs here; None for one that is none of ours."""
    relative = PurePosixPath(unquote(name))
    if relative.is_absolute() or ".." in relative.parts or relative.parts[:1] not in [(kind,) for kind in _KINDS]:
        return None
    return forge.output / relative
