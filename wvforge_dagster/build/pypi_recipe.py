"""The first recipe of a project of PyPI: the engine's generator writes it, and what it leaves out is read from the source."""

from __future__ import annotations

import re
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import yaml
from packageurl import PackageURL
from packageurl.contrib.purl2url import get_repo_url
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from wvforge_dagster.build.new_recipe import NewRecipe
from wvforge_dagster.build.process import ChildLimits, run_child
from wvforge_dagster.build.source_archive import ARCHIVE, SourceArchive, fetch_archive
from wvforge_dagster.core.errors import ForgeError

_LIMIT_S = 120
_SETUPTOOLS = ("setuptools",)
"""What builds a project that names nothing (PEP 517 and 518)."""


def recipe_from_pypi(name: str, project: str, index: str | None = None) -> NewRecipe:
    """A recipe for a project of PyPI (``pathspec`` or ``pathspec==1.1.1``), under the name `name`.

    Args:
        index: address of another registry's JSON API, such as ``https://pypi.example/pypi``.

    Raises:
        ForgeError: if there is no such project, or PyPI cannot be reached.
    """
    project, _, version = (part.strip() for part in project.partition("=="))
    answers: list[dict[str, Any]] = []
    request = {"project": project, "version": version or None, "indexes": [index] if index else None}
    with tempfile.TemporaryDirectory(prefix="wvforge-new-") as folder:
        limits = ChildLimits(seconds=_LIMIT_S)
        # The engine holds the interpreter's lock while it waits for the server: nothing else would end it.
        run_child("wvforge_dagster.build.pypi_worker", request, answers.append, limits=limits, folder=Path(folder))
    answer = answers[-1] if answers else {"event": "failed", "reason": "PyPI did not answer"}
    if answer["event"] == "failed":
        raise ForgeError(f"no recipe from PyPI: {answer['reason']}", where=f"{project} {version}".strip())
    # Every scalar as a string: a version such as 1.10 is no number.
    recipe = yaml.load(answer["text"], Loader=yaml.BaseLoader)
    remarks = [] if answer["mapped"] else ["its requirements have their names of PyPI: conda-forge's could not be read"]
    page = f"{index.rstrip('/')}/{project}/json" if index else urljoin(_page_of(project), f"/pypi/{project}/json")
    remarks += _complete(recipe, page)
    recipe["package"]["name"] = name
    text = yaml.safe_dump(recipe, sort_keys=False, width=10_000, allow_unicode=True)
    return NewRecipe(re.sub(r"(?m)(?<!\A)^(?=\w)", "\n", text), tuple(remarks))


def _page_of(project: str) -> str:
    return str(get_repo_url(PackageURL(type="pypi", name=project).to_string()))  # type: ignore[no-untyped-call]


def _complete(recipe: dict[str, Any], page: str) -> list[str]:
    """Mend what the generator wrote, and add what only the source says. Returns what could not be found out."""
    recipe["context"].pop("build_number", None)
    recipe["build"]["number"] = 0
    for test in recipe.get("tests") or []:
        if "pip_check" in test.get("python", {}):
            test["python"]["pip_check"] = test["python"]["pip_check"] == "true"
    about = recipe.setdefault("about", {})
    about.pop("description", None)  # a README belongs to the project's page
    source = recipe["source"][0] if isinstance(recipe["source"], list) else recipe["source"]
    # The index of a mirror may give addresses relative to its page of the project.
    source["url"] = url = urljoin(page, source["url"])
    for key, value in recipe["context"].items():
        url = url.replace(f"${{{{ {key} }}}}", value)
    if not ARCHIVE.search(urlsplit(url).path):
        return []
    with tempfile.TemporaryDirectory(prefix="wvforge-new-") as folder:
        try:
            archive = fetch_archive(url, Path(folder))
        except ForgeError as fault:
            return [f"its host requirements and licence file could not be read from its source: {fault}"]
        _add_host(recipe["requirements"]["host"], archive)
        if archive.licences and not about.get("license_file"):
            about["license_file"] = archive.licences
    return [] if about.get("license_file") else ["no licence file was found in the archive"]


def _add_host(host: list[str], archive: SourceArchive) -> None:
    """Add what builds the project, unless the generator found it: that has conda-forge's names."""
    if all(str(entry).split()[0] in ("python", "pip") for entry in host):
        host += _build_requirements(archive.read("pyproject.toml"))


def _build_requirements(pyproject: str) -> Iterator[str]:
    """``build-system.requires`` as conda writes it, under the names that conda-forge gives most projects: PyPI's normalized."""
    try:
        named = tomllib.loads(pyproject).get("build-system", {}).get("requires", _SETUPTOOLS)
    except (tomllib.TOMLDecodeError, AttributeError):
        named = _SETUPTOOLS
    for text in named or _SETUPTOOLS:
        try:
            wanted = Requirement(text)
        except (InvalidRequirement, TypeError):
            continue
        if wanted.marker is None or wanted.marker.evaluate():
            yield f"{canonicalize_name(wanted.name)} {wanted.specifier}".strip()
