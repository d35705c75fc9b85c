"""What a forge remembers besides packages, and machines with one staging channel share: failures, measures, names in use.

Each machine has all of it in its own output folder, as a machine that works alone has. What it writes there it puts beside the
shared staging channel too, and `pull_books` brings what the others put.
"""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

from wvforge_dagster.channels.mirror import MirroredFolder
from wvforge_dagster.channels.objects import put_over
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk, partition_folder
from wvforge_dagster.orchestration.whole_files import write_whole

SHARED = ".wvforge"
"""Where it lies beside the shared channel: no platform has this name."""

_BOOKS = f"{SHARED}/books"
FAILURES, MEASURES, REMOVED = "failures", "measures", "removed.json"
_LARGEST = 1 << 20


def keep_book(forge: ForgeOnDisk, path: Path, text: str) -> None:
    """Write a file of the output folder, for all machines.

    Raises:
        ForgeError: if the shared staging channel cannot be written.
    """
    write_whole(path, text)
    if forge.mirror is not None:
        put_over(forge.mirror.objects, _name(forge, path), text.encode())


def drop_book(forge: ForgeOnDisk, path: Path) -> None:
    """Remove a file of the output folder, for all machines.

    Raises:
        ForgeError: if the shared staging channel cannot be written.
    """
    path.unlink(missing_ok=True)
    if forge.mirror is not None:
        forge.mirror.objects.remove(_name(forge, path))


def pull_all_books(forge: ForgeOnDisk) -> None:
    """`pull_books`, where machines share a staging channel."""
    if forge.mirror is not None:
        pull_books(forge, forge.mirror)


def pull_books(forge: ForgeOnDisk, staging: MirroredFolder) -> tuple[Path, ...]:
    """Bring what other machines wrote or removed since the last time. Returns what changed here.

    Raises:
        ForgeError: if the shared staging channel cannot be read.
    """
    state = forge.output / "cache" / "shared-books.json"
    known = read_etags(state)
    places = _places(forge)
    listed = {
        name: item.etag
        for name, item in staging.objects.listing(_BOOKS).items()
        if name in places and (item.size <= _LARGEST or places[name].name == REMOVED)
    }
    changed: list[Path] = []
    for name, etag in listed.items():
        found = staging.objects.read(f"{_BOOKS}/{name}") if known.get(name) != etag else None
        text = found.content.decode("utf-8", "replace") if found else None
        path = places[name]
        if text is not None and path.name == REMOVED:
            text = _both(path, text)
        if text is not None and (not path.is_file() or path.read_text(encoding="utf-8", errors="replace") != text):
            write_whole(path, text)
            changed.append(path)
    for name in (known.keys() - listed.keys()) & places.keys():
        if places[name].name != REMOVED:
            places[name].unlink(missing_ok=True)
    if known != listed:
        write_whole(state, json.dumps(listed))
    return tuple(changed)


def _both(path: Path, text: str) -> str:
    """The names of the book here and those of the shared one: no name is ever forgotten."""
    try:
        here = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        return json.dumps(sorted({*map(str, here), *map(str, json.loads(text))}))
    except (OSError, ValueError, TypeError, RecursionError):
        return text


def read_etags(path: Path) -> dict[str, str]:
    """What was listed the last time; nothing if that is not known."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return {str(name): str(etag) for name, etag in found.items()} if isinstance(found, dict) else {}


def book_of(forge: ForgeOnDisk, kind: str, identity: VariantId) -> Path:
    """The file of a package variant among the books of a kind."""
    return forge.output / kind / identity.package / f"{partition_folder(identity.partition)}.json"


def _name(forge: ForgeOnDisk, path: Path) -> str:
    return f"{_BOOKS}/{quote(path.relative_to(forge.output).as_posix(), safe='')}"


def _places(forge: ForgeOnDisk) -> dict[str, Path]:
    """Every object that there can be, and where it belongs here: whatever else lies there says nothing."""
    paths = [book_of(forge, kind, identity) for kind in (FAILURES, MEASURES) for identity in forge.catalog.variants]
    prefix = len(f"{_BOOKS}/")
    return {_name(forge, path)[prefix:]: path for path in (forge.output / REMOVED, *paths)}
