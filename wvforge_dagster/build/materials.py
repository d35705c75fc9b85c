"""What a package was made of: its sources, the files of its recipe, and its environments, from what the package itself says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from wvforge_dagster.build.engine_account import dependencies_of
from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.inputs import git_source_key

COLUMN, SIBLINGS = "column", "siblings"
"""Names of the folders in a build's work folder with those of the forge's own packages that it may use: of other package
variants, and of its own outputs."""

SHA256 = re.compile(r"[0-9a-f]{64}")

_OWN = re.compile(rf"file://.*/work/.+/({COLUMN}|{SIBLINGS})")
"""The channels that show a build the forge's own packages."""

TREE = "wvforgeTree"
"""The algorithm of `core.digest.digest_tree`, where a source is no single file."""


@dataclass(frozen=True)
class Material:
    """One source, or one file of the recipe.

    Attributes:
        name: as the recipe names it; without credentials.
        uri: its address, with the commit of a git source; None for what lay on the builder's machine.
        digests: by algorithm, as in-toto names them (``sha256``, ``md5``, ``gitCommit``), and `TREE`.
    """

    kind: str
    name: str
    uri: str | None
    digests: Mapping[str, str] = field(hash=False)


@dataclass(frozen=True)
class EnvironmentPackage:
    """One package of the environments that a package was built in.

    Attributes:
        environments: ``build``, ``host`` or both.
        channel: its address without credentials; the name of a folder on the builder's machine as ``file:NAME``; empty for the
            forge's own packages, of which each build is shown a part in a folder of its own.
        archive: ``conda`` or ``tar.bz2``.
    """

    name: str
    version: str
    build: str
    subdir: str
    channel: str
    archive: str
    sha256: str
    license: str
    environments: tuple[str, ...]


@dataclass(frozen=True)
class Materials:
    """What a package was made of.

    Attributes:
        recipe_files: the files of the recipe's folder besides its recipe.yaml.
    """

    artifact: Artifact
    license: str
    sources: tuple[Material, ...]
    recipe_files: tuple[Material, ...]
    environments: tuple[EnvironmentPackage, ...]


def materials_of(artifact: Artifact, about: Mapping[str, Any], rendered: Mapping[str, Any]) -> Materials:
    """What a package was made of.

    Args:
        artifact: with its record.
        about: its ``info/about.json``.
        rendered: its ``info/recipe/rendered_recipe.yaml``, where the engine names the environments.
    """
    parts = artifact.record.parts if artifact.record else {}
    recorded = parts.get("sources") or {}
    recipe = parts.get("recipe") or {}
    sources = [
        source for held in (recipe, *(recipe.get("staging_caches") or ())) for source in held.get("source") or ()
    ]
    return Materials(
        artifact,
        str(about.get("license") or ""),
        tuple(found for source in sources for found in _source(source, recorded)),
        tuple(Material("file", name, None, _digests(value)) for name, value in (parts.get("files") or {}).items()),
        _environments(rendered),
    )


def _source(source: Mapping[str, Any], recorded: Mapping[str, str]) -> Iterator[Material]:
    hashes = {kind: str(source[kind]) for kind in ("sha256", "md5") if source.get(kind)}
    if "url" in source:
        places = source["url"] if isinstance(source["url"], list) else [source["url"]]
        for place in places:
            name = without_credentials(str(place))
            yield Material("url", name, name if "://" in name else None, hashes)
    elif "git" in source:
        name = without_credentials(str(source["git"]))
        commit = recorded.get(git_source_key(source), "").removeprefix("commit ")
        # The form of SPDX's download locations.
        uri = f"git+{name}@{commit}" if "://" in name else None
        yield Material("git", name, uri, {"gitCommit": commit} if commit else {})
    elif "path" in source:
        name = str(source["path"])
        yield Material("path", name, None, hashes or {TREE: recorded.get(name, "")})


def _digests(value: str) -> dict[str, str]:
    """Of a digest as `core.digest.digest_files` gives it: of a file with ``:x`` if it has the run bit, of a link its target."""
    content = value.removesuffix(":x")
    return {"sha256": content} if SHA256.fullmatch(content) else {TREE: value}


def _environments(rendered: Mapping[str, Any]) -> tuple[EnvironmentPackage, ...]:
    """The packages of its environments, and of those of the staging output that it inherits."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    sections: dict[tuple[str, ...], list[str]] = {}
    accounts = dependencies_of(rendered)
    for section in ("build", "host"):
        for item in (item for account in accounts for item in (account.get(section) or {}).get("resolved") or []):
            key = tuple(str(item.get(name) or "") for name in ("name", "version", "build", "subdir", "sha256"))
            found[key] = item
            if section not in sections.setdefault(key, []):
                sections[key].append(section)
    return tuple(_package(found[key], sections[key]) for key in sorted(found))


def _package(item: Mapping[str, Any], sections: Iterable[str]) -> EnvironmentPackage:
    return EnvironmentPackage(
        name=str(item.get("name") or ""),
        version=str(item.get("version") or ""),
        build=str(item.get("build") or ""),
        subdir=str(item.get("subdir") or ""),
        channel=_channel(str(item.get("channel") or "")),
        archive="tar.bz2" if str(item.get("fn") or item.get("url") or "").endswith(".tar.bz2") else "conda",
        sha256=str(item.get("sha256") or ""),
        license=str(item.get("license") or ""),
        environments=tuple(sections),
    )


def _channel(address: str) -> str:
    """A folder's path says nothing to others, and is nobody's business."""
    address = without_credentials(address.rstrip("/"))
    if _OWN.fullmatch(address):
        return ""
    return f"file:{address.rsplit('/', 1)[-1]}" if address.startswith("file://") else address


def without_credentials(address: str) -> str:
    """An address without user, password, query, and the token that conda channels carry as ``/t/TOKEN``, anywhere in the path.

    One that cannot be taken apart is shown as ``...``.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return "..."
    if not parts.scheme or not parts.netloc:
        return address
    path = re.sub(r"/t/[^/]+(?=/|$)", "", parts.path)
    return urlunsplit((parts.scheme, parts.netloc.rsplit("@", 1)[-1], path, "", ""))


def everything_without_credentials(value: Any) -> Any:
    """Plain values with every string in them as `without_credentials` has it."""
    if isinstance(value, Mapping):
        return {key: everything_without_credentials(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [everything_without_credentials(item) for item in value]
    return without_credentials(value) if isinstance(value, str) else value
