"""The files of the packages that a build or a test was given, read from the engine's package cache, where it unpacked them.

The cache holds each package of the host environment, as that was solved, and of the environments of the tests, which are
what the run requirements were solved to. Scripts can write to it: what is there may be anything, and may be wrong.
"""

from __future__ import annotations

import json
import os
import posixpath
import stat
from collections import deque
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rattler

from wvforge_dagster.core.libraries import Libraries
from wvforge_dagster.core.package_facts import PackageFacts
from wvforge_dagster.core.pins import parts_of_spec

MOST_BYTES = 64 << 20
"""Of one of the files read here: a package of 300,000 files lists them in it."""


def accepts(spec: str, version: str) -> bool:
    """Whether a conda version spec accepts a version; one that cannot be read accepts none."""
    try:
        return bool(rattler.VersionSpec(spec).matches(rattler.Version(version)))
    except Exception:  # rattler has no common class of its errors
        return False


@dataclass(frozen=True)
class _Installed:
    """A package in the cache."""

    folder: Path
    version: str

    def depends(self) -> list[str]:
        return [
            spec for spec in _list_in(self.folder, "index.json", "depends") if isinstance(spec, str) and spec.strip()
        ]

    def libraries(self) -> set[str]:
        entries = _list_in(self.folder, "paths.json", "paths")
        names = (posixpath.basename(str(entry.get("_path"))) for entry in entries if isinstance(entry, dict))
        return {name for name in names if name.endswith(".so") or ".so." in name}


def find_libraries(facts: PackageFacts, cache: Path) -> Libraries:
    """Which packages have which libraries, where a package runs and where it was built.

    Of a required package it is the one of the host environment, else the newest of that name in the cache that the
    requirement accepts.

    Args:
        cache: the engine's.
    """
    if not facts.linked:
        return Libraries()
    there = _names(cache)
    host = {name: _find(there, name, f"=={version}", build) for name, version, build in facts.host}
    required: dict[str, str] = {}
    unknown: list[str] = []
    seen: set[str] = set()
    queue = deque(facts.depends)
    while queue:
        name, spec, _ = parts_of_spec(queue.popleft())
        if name in seen or name.startswith("__"):
            continue
        seen.add(name)
        found = host.get(name) or _find(there, name, spec or "*", None)
        if found is None:
            unknown.append(name)
        else:
            queue.extend(found.depends())
            required |= dict.fromkeys(found.libraries(), name)
    others = ((name, found) for name, found in host.items() if name not in seen and found is not None)
    elsewhere = {library: name for name, found in others for library in found.libraries()}
    return Libraries(required, elsewhere, tuple(unknown))


def _names(cache: Path) -> dict[str, list[tuple[str, str, Path]]]:
    """What lies in the cache, by name: version, build, folder."""
    found: dict[str, list[tuple[str, str, Path]]] = {}
    for folder in (cache / "pkgs").glob("*-*-*"):
        name, version, build = folder.name.rsplit("-", 2)
        if not build.endswith(".lock"):
            found.setdefault(name, []).append((version, build, folder))
    return found


def _find(there: dict[str, list[tuple[str, str, Path]]], name: str, spec: str, build: str | None) -> _Installed | None:
    fitting: Iterable[tuple[str, str, Path]] = (
        item for item in there.get(name, ()) if build in (None, item[1]) and accepts(spec, item[0])
    )
    newest = max(fitting, key=lambda item: (rattler.Version(item[0]), _changed(item[2])), default=None)
    return _Installed(newest[2], newest[0]) if newest else None


def _changed(folder: Path) -> float:
    try:
        return folder.lstat().st_mtime
    except OSError:
        return 0.0


def _list_in(package: Path, name: str, key: str) -> list[Any]:
    """The list under a key of a package's ``info/NAME``; nothing, where there is none."""
    try:
        found = json.loads(_read(package, name))
    except (OSError, ValueError, RecursionError):
        return []
    values = found.get(key) if isinstance(found, dict) else None
    return values if isinstance(values, list) else []


def _read(package: Path, name: str) -> bytes:
    """A package's ``info/NAME``, without following a link or waiting for a named pipe that was put in the place of any of it.

    Raises:
        OSError: if it is no regular file, or holds too much.
    """
    with ExitStack() as opened:
        place: int | None = None
        for step in (package.parent, package.name, "info"):
            place = os.open(step, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place)
            opened.callback(os.close, place)
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place)
        stream = opened.enter_context(os.fdopen(file, "rb"))
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_size > MOST_BYTES:
            raise OSError(f"{package / 'info' / name} is no regular file of less than {MOST_BYTES} bytes")
        return stream.read(MOST_BYTES)
