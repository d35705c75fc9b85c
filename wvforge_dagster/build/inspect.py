"""What a package file says of itself: its record, its content digest, the environment that it was built in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rattler.package_streaming import PackageArchive

from wvforge_dagster.build.engine_account import RENDERED, dependencies_of, rendered_recipe
from wvforge_dagster.core.artifact import RECORD_KEY, Artifact, Record
from wvforge_dagster.core.digest import content_digest
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.package_file import PackageFile
from wvforge_dagster.rattler_calls import wait_for

_RUN_EXPORTS = "info/run_exports.json"
INDEX = "info/index.json"
"""The file of a package that says what a channel's index says of it, but for its size and its sha256."""

INFO_FILES = (INDEX, "info/about.json", "info/paths.json", _RUN_EXPORTS)
"""The files of a package that `describe_package` reads."""


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
    """The environments that a package was built in, as the engine solved them, by section (``build``, ``host``).

    Attributes:
        sections: the packages in them.
        specs: the match specs that were solved; only of sections that have some.
    """

    sections: Mapping[str, tuple[Resolved, ...]] = field(default_factory=dict, hash=False)
    specs: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    def to_json(self) -> dict[str, Any]:
        """The environments as values of JSON; `from_json` reads them."""
        specs = {name: list(texts) for name, texts in self.specs.items()}
        return {name: [asdict(item) for item in items] for name, items in self.sections.items()} | {_SPECS: specs}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Environments:
        sections = {name: items for name, items in value.items() if name != _SPECS}
        return cls(
            {name: tuple(Resolved(**item) for item in items) for name, items in sections.items()},
            {name: tuple(texts) for name, texts in value.get(_SPECS, {}).items()},
        )


_SPECS = "specs"


def inspect_package(file: PackageFile) -> Artifact:
    """Read what a package on this machine says of itself.

    Raises:
        ForgeError: if the file is no whole package.
    """
    try:
        return describe_package(file.subdir, file.filename, file.sha256, file.size, read_package(file.path, INFO_FILES))
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(file.path, error) from None


def describe_package(subdir: str, filename: str, sha256: str, size: int, info: Mapping[str, bytes | None]) -> Artifact:
    """What a package says of itself in its `INFO_FILES`.

    Raises:
        KeyError, TypeError, ValueError: if they are not what a package has.
    """
    # Every package has all of them but the last one.
    index, about, paths, run_exports = (
        json.loads(info[name] or (b"{}" if name == _RUN_EXPORTS else b"")) for name in INFO_FILES
    )
    extra = about.get("extra") or {}
    return Artifact(
        subdir=subdir,
        filename=filename,
        name=index["name"],
        version=index["version"],
        build=index["build"],
        build_number=index["build_number"],
        sha256=sha256,
        size=size,
        content=content_digest(index, paths.get("paths", []), about, run_exports),
        record=Record.from_extra(extra.get(RECORD_KEY)),
        file_count=len(paths.get("paths", [])),
        built=int(index.get("timestamp") or 0),
    )


def read_environments(path: Path) -> Environments:
    """The build and host environments of a package that the engine built; none for another tool's."""
    return environments_of(rendered_recipe(read_package(path, (RENDERED,))[RENDERED], str(path)))


def environments_of(rendered: Mapping[str, Any]) -> Environments:
    """The build and host environments in an engine's account of a build, and those of the staging output that it inherits."""
    sections = {
        prefix + section: found.get(section) or {}
        for prefix, found in zip(("", "staging "), dependencies_of(rendered), strict=True)
        for section in ("build", "host")
    }
    sections = {name: found for name, found in sections.items() if found or not name.startswith("staging ")}
    specs = {name: tuple(_spec(item) for item in found.get("specs") or []) for name, found in sections.items()}
    return Environments(
        {name: tuple(_resolved(item) for item in found.get("resolved") or []) for name, found in sections.items()},
        {name: texts for name, texts in specs.items() if texts},
    )


def _spec(item: Mapping[str, Any]) -> str:
    """``source`` is the recipe's own word, ``spec`` what came of it."""
    return str(item.get("spec") or item.get("source"))


def commits_of(rendered: Mapping[str, Any]) -> tuple[str, ...]:
    """The commits that the git sources of a build were, in order: its own, then those of the staging output it inherits."""
    keys = ("finalized_sources", "finalized_cache_sources")
    return tuple(str(source["rev"]) for key in keys for source in rendered.get(key) or [] if "git" in source)


def _resolved(item: Mapping[str, Any]) -> Resolved:
    return Resolved(
        name=str(item.get("name", "")),
        version=str(item.get("version", "")),
        build=str(item.get("build", "")),
        channel=str(item.get("channel") or ""),
        sha256=str(item.get("sha256") or ""),
    )


def read_package(path: Path, names: tuple[str, ...]) -> dict[str, bytes | None]:
    """Files of a package on this machine by their names in it; None for those that it lacks.

    Raises:
        ForgeError: if the file is no whole package.
    """
    try:
        return wait_for(_read_raw(path, names))
    except Exception as error:
        raise _unreadable(path, error) from None


async def _read_raw(path: Path, names: tuple[str, ...]) -> dict[str, bytes | None]:
    archive = await PackageArchive.from_path(path)
    return await archive.read_files(names)


def _unreadable(path: Path, error: Exception) -> ForgeError:
    return ForgeError(f"is not a whole package: {error}", where=str(path), remedy="remove it and build it again")
