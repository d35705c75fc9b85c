"""What a package file says of itself: its record, its content digest, the environment that it was built in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from rattler.package_streaming import PackageArchive

from wvforge_dagster.core.artifact import RECORD_KEY, Artifact, Record
from wvforge_dagster.core.digest import content_digest
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.package_file import PackageFile
from wvforge_dagster.rattler_calls import wait_for

_FILES = ("info/index.json", "info/about.json", "info/paths.json")
_RUN_EXPORTS = "info/run_exports.json"
_RENDERED = "info/recipe/rendered_recipe.yaml"


@dataclass(frozen=True)
class Resolved:
    """One package of a resolved environment."""

    name: str
    version: str
    build: str
    channel: str
    sha256: str


@dataclass(frozen=True)
class Environments:
    """The environments that a package was built in, as the engine solved them, by section (``build``, ``host``)."""

    sections: Mapping[str, tuple[Resolved, ...]] = field(default_factory=dict, hash=False)


def inspect_package(file: PackageFile) -> Artifact:
    """Read what a package says of itself.

    Raises:
        ForgeError: if the file is no whole package.
    """
    found = _read(file.path, (*_FILES, _RUN_EXPORTS))
    index, about, paths = (found[name] for name in _FILES)
    extra = about.get("extra") or {}
    return Artifact(
        subdir=file.subdir,
        filename=file.filename,
        name=index["name"],
        version=index["version"],
        build=index["build"],
        build_number=index["build_number"],
        sha256=file.sha256,
        size=file.size,
        content=content_digest(index, paths.get("paths", []), about, found[_RUN_EXPORTS]),
        record=Record.from_extra(extra.get(RECORD_KEY)),
        file_count=len(paths.get("paths", [])),
    )


def read_environments(path: Path) -> Environments:
    """The build and host environments of a package that the engine built; none for another tool's."""
    try:
        content = wait_for(_read_raw(path, (_RENDERED,)))[_RENDERED]
        rendered = yaml.load(content or b"", Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}
    except Exception as error:
        raise _unreadable(path, error) from None
    dependencies = rendered.get("finalized_dependencies") or {}
    return Environments(
        {
            section: tuple(_resolved(item) for item in (dependencies.get(section) or {}).get("resolved") or [])
            for section in ("build", "host")
        }
    )


def _resolved(item: Mapping[str, Any]) -> Resolved:
    return Resolved(
        name=str(item.get("name", "")),
        version=str(item.get("version", "")),
        build=str(item.get("build", "")),
        channel=str(item.get("channel") or ""),
        sha256=str(item.get("sha256") or ""),
    )


def _read(path: Path, names: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    try:
        raw = wait_for(_read_raw(path, names))
        # Every package has all of them but this one.
        return {name: json.loads(raw[name] or (b"{}" if name == _RUN_EXPORTS else b"")) for name in names}
    except Exception as error:
        raise _unreadable(path, error) from None


async def _read_raw(path: Path, names: tuple[str, ...]) -> dict[str, bytes | None]:
    archive = await PackageArchive.from_path(path)
    return await archive.read_files(names)


def _unreadable(path: Path, error: Exception) -> ForgeError:
    return ForgeError(f"is not a whole package: {error}", where=str(path), remedy="remove it and build it again")
