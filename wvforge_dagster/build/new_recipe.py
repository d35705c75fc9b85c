"""The first recipe of a new package, from the address of an archive of sources."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import yaml

from wvforge_dagster.build.source_archive import ARCHIVE, fetch_archive
from wvforge_dagster.core.errors import ForgeError

_PYTHON = {"pyproject.toml", "setup.py"}


@dataclass(frozen=True)
class NewRecipe:
    """A recipe.yaml for a new package, and what the one who asked for it should look at."""

    text: str
    remarks: tuple[str, ...] = ()


def recipe_from_url(name: str, url: str) -> NewRecipe:
    """A recipe for the archive at an address, with its sha256, its licence file, and a script for the way it is built.

    Raises:
        ForgeError: if it has credentials, which the recipe would show to everybody; if it cannot be had, or is no archive.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        # It may have credentials, and is not shown.
        raise ForgeError(f"the address of its source cannot be read: {error}", where=name) from None
    if "@" in (parts.netloc or url.partition("/")[0]):
        raise ForgeError(
            "the address of its source has a user or password: credentials do not belong into a recipe",
            where=name,
            remedy="give the address without them",
        )
    filename = unquote(PurePosixPath(parts.path).name)
    if not ARCHIVE.search(filename):
        raise ForgeError("is no address of a .tar.gz, .tar.bz2, .tar.xz, .tgz or .zip", where=url)
    with tempfile.TemporaryDirectory(prefix="wvforge-new-") as folder:
        archive = fetch_archive(url, Path(folder))
    found = re.search(r"\d+(\.[0-9A-Za-z]+)*", ARCHIVE.sub("", filename).removeprefix(name))
    version = found.group(0) if found else "0"
    remarks = [] if found else ["its version is not in the address"]
    if not archive.licences:
        remarks.append("no licence file was found in the archive")
    recipe = {
        "context": {"version": version},
        "package": {"name": name, "version": "${{ version }}"},
        "source": {"url": url.replace(version, "${{ version }}") if found else url, "sha256": archive.sha256},
        **_how_it_is_built(name, archive.members.keys()),
        "about": {
            "homepage": f"https://{parts.hostname}",
            "license": "LicenseRef-unknown",
            "license_file": archive.licences,
        },
    }
    remarks.append("its licence, its requirements and its test are guesses")
    return NewRecipe(yaml.safe_dump(recipe, sort_keys=False, width=120), tuple(remarks))


def _how_it_is_built(name: str, members: Collection[str]) -> dict[str, object]:
    """The sections ``build``, ``requirements`` and ``tests`` that what lies at the top of a source suggests."""
    if _PYTHON.intersection(members):
        install = "${{ PYTHON }} -m pip install . -vv --no-deps --no-build-isolation"
        return {
            "build": {"number": 0, "noarch": "python", "script": [install]},
            "requirements": {"host": ["python", "pip", "setuptools"], "run": ["python"]},
            "tests": [{"python": {"imports": [name.replace("-", "_")], "pip_check": True}}],
        }
    steps = ["./configure --prefix=$PREFIX", "make -j$CPU_COUNT", "make install"]
    tools = ["${{ compiler('c') }}", "make"]
    if "CMakeLists.txt" in members:
        configure = "cmake -GNinja -S . -B build $CMAKE_ARGS -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=$PREFIX"
        steps = [configure, "cmake --build build", "cmake --install build"]
        tools = ["${{ compiler('c') }}", "${{ compiler('cxx') }}", "cmake", "ninja"]
    return {
        "build": {"number": 0, "script": steps},
        "requirements": {"build": tools},
        "tests": [{"package_contents": {"files": ["**/*"]}}],
    }
