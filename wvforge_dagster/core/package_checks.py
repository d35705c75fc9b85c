"""The package checks: each a rule over what was seen of a package. docs/checks.md lists them.

A finding is an error by default where it is surely wrong, for every recipe; everything else is a warning.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from wvforge_dagster.core.findings import Finding, Severity
from wvforge_dagster.core.package_facts import BUILD_PREFIX, HOST_PREFIX, WORK_FOLDER, PackageFacts

SIZE_MARGIN = 100 * 1024
"""Bytes that a package may grow or shrink by in any case: small ones change by halves easily."""

TOP_FOLDERS = frozenset(
    """
    bin compiler_compat condabin doc docs etc extras fonts include lib lib32 lib64 libexec man Menu mkspecs nvvm opt
    phrasebooks plugins python-scripts qml resources sbin share shell site-packages ssl targets translations var
    """.split()  # noqa: SIM905 (reads best as lines of words)
)
"""Folders that environments have at their top: those of the Filesystem Hierarchy Standard's ``/usr``, those that the engine and
conda give a meaning, CUDA's, and Qt's. A compiler's triplet (``x86_64-conda-linux-gnu``) is one as well."""

_OF_BUILD = re.compile(r"/host_env_placehold|/rattler-build_[^/]+/(build_env|work)\b")
_TRIPLET = re.compile(r"[a-z0-9_]+-[a-z0-9_.]+-[a-z0-9_]+(-[a-z0-9_]+)?")
_OF_A_PYTHON = re.compile(r"lib/python(\d+\.\d+)/")


def check_license(facts: PackageFacts) -> Iterator[Finding]:
    """The license is stated, and its text is in the package (``about.license_file``)."""
    if not facts.license:
        yield Finding("the recipe states no license (about.license)", severity=Severity.WARNING)
    elif not facts.license_files:
        yield Finding(
            f"no text of the license {facts.license} is in the package (about.license_file)", severity=Severity.WARNING
        )


def check_prefix(facts: PackageFacts) -> Iterator[Finding]:
    """No path of the host environment is left where no installer rewrites it, and none of the build where the loader looks.

    Bytecode is passed over: Python puts the file's own place into it when it is imported (``_fix_co_filename``).
    """
    for file in facts.files:
        if HOST_PREFIX in file.paths_left and file.path not in facts.rewritten and not file.path.endswith(".pyc"):
            where = "links to" if file.kind == "link" else "holds"
            yield Finding(f"{where} a path of the build's host environment, and is not rewritten", file.path)
    for path, linked in facts.linked.items():
        for folder in linked.search:
            what = f"looks for libraries in {folder[:200]} (RPATH)"
            if _OF_BUILD.search(folder):
                if path not in facts.rewritten:
                    yield Finding(what, path)
            elif folder.startswith("/") and not folder.startswith(("/lib", "/usr/")):
                yield Finding(what, path, Severity.WARNING)


def check_build_paths(facts: PackageFacts) -> Iterator[Finding]:
    """No path of the work folder or of the build environment, which are gone by now, is left in a text file.

    In binary files they are the names of sources, for messages and debuggers. ``direct_url.json`` (PEP 610) says where pip
    found what it installed; nothing reads it to run.
    """
    for file in facts.files:
        left = [name for name in (BUILD_PREFIX, WORK_FOLDER) if name in file.paths_left]
        is_of_pip = file.path.endswith(".dist-info/direct_url.json")
        if left and not is_of_pip and (file.is_text or file.kind == "link"):
            yield Finding(f"holds the path of the {' and of the '.join(left)}", file.path, Severity.WARNING)


def check_places(facts: PackageFacts, python: str | None) -> Iterator[Finding]:
    """Every file lies where an environment has files of its kind.

    Args:
        python: the Python that the package is built for, such as ``3.12``.
    """
    for file in facts.files:
        parts = file.path.split("/")
        of_python = _OF_A_PYTHON.match(file.path)
        if file.path.startswith("/") or ".." in parts:
            yield Finding("lies outside the environment", file.path)
        elif file.kind == "other":
            yield Finding("is no file, folder or link", file.path)
        elif parts[0] == "info" or (parts[0] == "conda-meta" and parts[-1].endswith(("history", ".json"))):
            yield Finding("is in the place of an installer's own files", file.path)
        elif of_python and python and not facts.noarch and of_python.group(1) != python:
            yield Finding(f"is of Python {of_python.group(1)}, in a package for Python {python}", file.path)
        elif file.kind == "link" and _leaves(file.path, file.target):
            yield Finding(f"links to {file.target[:200]}, outside the environment", file.path, Severity.WARNING)
        elif len(parts) == 1:
            yield Finding("lies at the top of the environment", file.path, Severity.WARNING)
        elif parts[0] not in TOP_FOLDERS and not _TRIPLET.fullmatch(parts[0]):
            yield Finding(f"lies in {parts[0]}/, a folder that environments do not have", file.path, Severity.WARNING)


def _leaves(path: str, target: str) -> bool:
    return target.startswith("/") or posixpath.normpath(f"{posixpath.dirname(path)}/{target}").startswith("..")


def check_contents(facts: PackageFacts) -> Iterator[Finding]:
    """The payload is what info/paths.json lists. The content digest is made of that list, and installers go by it."""
    for path, difference in facts.differences.items():
        yield Finding(difference, path)


def check_size(facts: PackageFacts, last: int | None) -> Iterator[Finding]:
    """The package is not more than twice or less than half as large as the last one.

    Args:
        last: bytes of the last package of this output and variant; None if there is none.
    """
    if last and abs(facts.size - last) > SIZE_MARGIN and not last / 2 <= facts.size <= last * 2:
        yield Finding(f"has {facts.size:,} bytes, and the last one had {last:,}", severity=Severity.WARNING)


def check_tests(tests: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    """There are tests, and no test of Python leaves out ``pip check``.

    Args:
        tests: those of the rendered recipe.
    """
    tests = tuple(tests)
    if not tests:
        yield Finding("the recipe has no tests", severity=Severity.WARNING)
    for test in tests:
        python = test.get("python")
        if isinstance(python, Mapping) and python.get("pip_check") is False:
            yield Finding("a test of the recipe has pip_check: false", severity=Severity.WARNING)
