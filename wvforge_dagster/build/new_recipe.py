"""The first recipe of a new package: from PyPI by the engine's generator, or from the address of an archive of sources."""

from __future__ import annotations

import hashlib
import re
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import unquote, urlsplit

import requests
import yaml

from wvforge_dagster.build.process import ChildLimits, run_child
from wvforge_dagster.core.errors import ForgeError

_ARCHIVE = re.compile(r"\.(tar\.(gz|bz2|xz)|tgz|zip)$")
_LICENCE = re.compile(r"(licen[cs]e|copying|notice)[^/]*", re.IGNORECASE)
_TIMEOUT_S = 60
_PYTHON = {"pyproject.toml", "setup.py"}


@dataclass(frozen=True)
class NewRecipe:
    """A recipe.yaml for a new package, and what the one who asked for it should look at."""

    text: str
    remarks: tuple[str, ...] = ()


def recipe_from_pypi(name: str, project: str, index: str | None = None) -> NewRecipe:
    """What the engine's generator writes for a project of PyPI (``pathspec`` or ``pathspec==1.1.1``), under the name `name`.

    Args:
        index: address of another registry's JSON API, such as ``https://pypi.example/pypi``.

    Raises:
        ForgeError: if there is no such project, or PyPI cannot be reached.
    """
    project, _, version = (part.strip() for part in project.partition("=="))
    answers: list[dict[str, Any]] = []
    request = {"project": project, "version": version or None, "indexes": [index] if index else None}
    with tempfile.TemporaryDirectory(prefix="wvforge-new-") as folder:
        limits = ChildLimits(seconds=2 * _TIMEOUT_S)
        # The engine holds the interpreter's lock while it waits for the server: nothing else would end it.
        run_child("wvforge_dagster.build.pypi_worker", request, answers.append, limits=limits, folder=Path(folder))
    answer = answers[-1] if answers else {"event": "failed", "reason": "PyPI did not answer"}
    if answer["event"] == "failed":
        raise ForgeError(f"no recipe from PyPI: {answer['reason']}", where=f"{project} {version}".strip())
    unmapped = "its requirements have their names of PyPI: conda-forge's names of them could not be read"
    remarks = () if answer["mapped"] else (unmapped,)
    text = answer["text"]
    text = re.sub(r"(?m)^(package:\n  name: ).*$", rf"\g<1>{name}", text, count=1)
    # A README belongs to the project's page.
    return NewRecipe(re.sub(r"(?m)^  description: .*\n(?:(?:    .*)?\n)*", "", text), remarks)


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
    if not _ARCHIVE.search(filename):
        raise ForgeError("is no address of a .tar.gz, .tar.bz2, .tar.xz, .tgz or .zip", where=url)
    with tempfile.TemporaryDirectory(prefix="wvforge-new-") as folder:
        path = Path(folder) / filename
        sha256 = _download(url, path)
        members = _members(path, url)
    found = re.search(r"\d+(\.[0-9A-Za-z]+)*", _ARCHIVE.sub("", filename).removeprefix(name))
    version = found.group(0) if found else "0"
    remarks = [] if found else ["its version is not in the address"]
    licences = [member for member in members if _LICENCE.fullmatch(member)]
    if not licences:
        remarks.append("no licence file was found in the archive")
    recipe = {
        "context": {"version": version},
        "package": {"name": name, "version": "${{ version }}"},
        "source": {"url": url.replace(version, "${{ version }}") if found else url, "sha256": sha256},
        **_how_it_is_built(name, members),
        "about": {
            "homepage": f"https://{parts.hostname}",
            "license": "LicenseRef-unknown",
            "license_file": licences,
        },
    }
    remarks.append("its licence, its requirements and its test are guesses")
    return NewRecipe(yaml.safe_dump(recipe, sort_keys=False, width=120), tuple(remarks))


def _how_it_is_built(name: str, members: set[str]) -> dict[str, object]:
    """The sections ``build``, ``requirements`` and ``tests`` that what lies at the top of a source suggests."""
    if members & _PYTHON:
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


def _download(url: str, path: Path) -> str:
    """Bring a file here; its sha256."""
    digest = hashlib.sha256()
    try:
        with requests.get(url, stream=True, timeout=_TIMEOUT_S) as answer, path.open("wb") as file:
            if not answer.ok:
                raise ForgeError(f"cannot be fetched: {answer.status_code} {answer.reason}", where=url)
            for chunk in answer.iter_content(1 << 20):
                digest.update(chunk)
                file.write(chunk)
    except requests.RequestException as error:
        raise ForgeError(f"cannot be fetched: {type(error).__name__}", where=url, remedy="check the address") from None
    return digest.hexdigest()


def _members(path: Path, url: str) -> set[str]:
    """Names of the files in the archive's only folder, or at its top if it has several."""
    try:
        with path.open("rb") as stream:
            names = [PurePosixPath(name) for name in _names(stream, path)]
    except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError) as error:
        raise ForgeError(f"is no archive: {error}", where=url) from None
    tops = {name.parts[0] for name in names if name.parts}
    depth = 2 if len(tops) == 1 and any(len(name.parts) > 1 for name in names) else 1
    return {name.name for name in names if len(name.parts) == depth}


def _names(stream: IO[bytes], path: Path) -> list[str]:
    if path.suffix == ".zip":
        return zipfile.ZipFile(stream).namelist()
    with tarfile.open(fileobj=stream) as archive:
        return archive.getnames()
