"""Where the releases of a recipe's source are listed, by the address of the source alone. Asks nobody.

A release is told by a name: a tag, the name of a file or of a folder. What stands in it around the version is what stands
around the recipe's version in the recipe's own source.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion

from wvforge_dagster.build.materials import without_credentials
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.recipe import Recipe

OFF = "off"
_ENDING = re.compile(r"\.(tar(\.\w+)?|tgz|tbz2|txz|zip)$")
_HASH = re.compile(r"[0-9a-f]{40}")
_INDEX_PATH = re.compile(
    r"(?P<base>.*?)/packages/"
    r"(?:source/[^/]+/[^/]+|[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{60}|(?P<project>[^/]+)/[^/]+)/(?P<file>[^/]+)"
)
"""A file of PyPI and of its mirrors, by project or by its hash, and of indexes that keep files by project and version."""
_FORGE_PATH = re.compile(
    r"(/.+?)/(?:(?:-/)?archive/(refs/tags/)?(?P<archive>.+)|releases/download/(?P<tag>[^/]+)/[^/]+)"
)
"""An archive or an asset as GitHub, GitLab, Gitea and their like serve them, below the address of the repository."""


@dataclass(frozen=True)
class Place:
    """A list of releases.

    Attributes:
        kind: the tags of a git repository, the page of a project in an index of Python packages, or a folder on a web server.
        address: of the repository, the page or the folder.
        begins: what names of releases may begin with, before the version; the first that fits counts.
        ends: what they end with.
        dot: what a dot of the version is written as.
        file: in an index, the name of the recipe's file: releases have one of its kind.
        commit: the commit that the source is pinned to, instead of a tag with the version.
    """

    kind: Literal["tags", "index", "folder"]
    address: str
    begins: tuple[str, ...] = ("",)
    ends: str = ""
    dot: str = "."
    file: str = ""
    commit: str = ""

    def __str__(self) -> str:
        return without_credentials(self.address)

    def version_in(self, name: str) -> str | None:
        """The version that the name of a release has; None if it is not one's."""
        if self.kind == "index":
            file = _file(name)
            same_kind = name.endswith(".whl") == self.file.endswith(".whl")
            return file[1] if file and same_kind else None
        for begin in self.begins:
            if name.startswith(begin) and name.endswith(self.ends) and len(name) > len(begin) + len(self.ends):
                found = name[len(begin) : len(name) - len(self.ends)].replace(self.dot, ".")
                if re.fullmatch(r"\d[0-9A-Za-z._-]*", found):
                    return found
        return None


def wanted_versions(recipe: Recipe) -> str | None:
    """What ``extra: wvforge: updates`` says: a pattern of the versions that are followed; None if none are.

    Raises:
        ForgeError: if it is neither a pattern nor `OFF`.
    """
    own = recipe.outputs[0].own
    wanted = own.get("updates", "*") if isinstance(own, Mapping) else "*"
    if wanted is False or wanted == OFF:
        return None
    if not isinstance(wanted, str) or not wanted:
        raise ForgeError(
            f"{wanted!r} is wrong",
            where=f"{recipe.path}: extra.wvforge.updates",
            remedy='write a pattern of versions, such as "2.*", or off',
        )
    return wanted


def place_of(recipe: Recipe) -> Place | None:
    """Where the releases of a recipe's source are listed: of the first that names its version, else of the first that is pinned
    to a commit. None if no source tells."""
    outputs = recipe.outputs
    found = [place for output in outputs for source in output.sources for place in _places(source, output.version)]
    return next((place for place in found if not place.commit), None) or next(iter(found), None)


def _places(source: Mapping[str, Any], version: str) -> Iterator[Place]:
    if "git" in source:
        place = _of_tag(str(source["git"]), str(source.get("rev") or "").removeprefix("refs/tags/"), version)
        if place is not None:
            yield place
        return
    urls = source.get("url") or ()
    for url in [urls] if isinstance(urls, str) else urls:
        place = _of_url(str(url), version)
        if place is not None:
            yield place


def _of_url(url: str, version: str) -> Place | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https"):
        return None
    index = _of_index(parts)
    if index is not None:
        return index
    forge = _FORGE_PATH.fullmatch(parts.path)
    if forge is not None:
        repository = urlunsplit((parts.scheme, parts.netloc, forge[1], "", ""))
        archive = _ENDING.sub("", forge["archive"] or "")
        # GitLab's end with the name of the file.
        tag = forge["tag"] or (archive if forge[2] else archive.split("/")[0])
        return _of_tag(repository, unquote(tag), version)
    return _of_folder(url, version)


def _of_index(parts: SplitResult) -> Place | None:
    """An index of Python packages, by where it has the file."""
    found = _INDEX_PATH.fullmatch(parts.path)
    name = unquote(found["file"]) if found else ""
    file = _file(name)
    if found is None or file is None or (found["project"] and canonicalize_name(unquote(found["project"])) != file[0]):
        return None
    address = urlunsplit((parts.scheme, _host_of_index(parts), f"{found['base']}/simple/{file[0]}/", "", ""))
    return Place("index", address, file=name)


def _host_of_index(parts: SplitResult) -> str:
    """The host of a file; of PyPI's, which serves its files from a host that lists nothing, the index's, as pip knows it."""
    try:
        from pip._internal.models.index import PyPI
    except ImportError:  # an environment without pip
        return parts.netloc
    return PyPI.netloc if parts.hostname == PyPI.file_storage_domain else parts.netloc


def _of_tag(repository: str, tag: str, version: str) -> Place | None:
    if repository.startswith("."):
        return None
    if _HASH.fullmatch(tag):
        name = PurePosixPath(urlsplit(repository).path).name.removesuffix(".git")
        return Place("tags", repository, ("v", f"{name}-v", f"{name}-", "release-", ""), commit=tag)
    found = _around(tag, version)
    return Place("tags", repository, (found[0],), found[1], found[2]) if found is not None else None


def _of_folder(url: str, version: str) -> Place | None:
    """The folder of the first part of the path that has the version in it."""
    parts = urlsplit(url)
    names = parts.path.split("/")
    for position, name in enumerate(names):
        found = _around(unquote(name), version)
        if found is not None:
            folder = "/".join(names[:position]) + "/"
            address = urlunsplit((parts.scheme, parts.netloc, folder, "", ""))
            return Place("folder", address, (found[0],), found[1], found[2])
    return None


def _around(name: str, version: str) -> tuple[str, str, str] | None:
    """What stands before and after the version in a name, and what its dots are written as."""
    for dot in (".", "_", "-"):
        written = re.escape(version.replace(".", dot))
        found = [*re.finditer(rf"(?<![0-9])(?<![0-9]\.){written}(?![0-9]|\.[0-9])", name)]
        if found:
            return name[: found[-1].start()], name[found[-1].end() :], dot
    return None


def _file(name: str) -> tuple[str, str] | None:
    """The project and the version of a wheel or an archive of sources, as its name has them; None if it is neither."""
    try:
        if name.endswith(".whl"):
            return str(parse_wheel_filename(name)[0]), name.split("-")[1]
        stem = name.removesuffix(".zip").removesuffix(".tar.gz")
        return str(parse_sdist_filename(name)[0]), stem.rpartition("-")[2]
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return None
