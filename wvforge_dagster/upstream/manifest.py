"""The manifest of an upstream channel, which conda packages are made of what: its model and its reader."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.yaml_files import read_yaml

SHA256_PATTERN = r"^[0-9a-f]{64}$"
PYTHON_PATTERN = r"^3\.\d+$"
PIN_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][0-9A-Za-z._!+]*$"

Sha256 = Annotated[str, StringConstraints(pattern=SHA256_PATTERN)]
CondaName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_][a-z0-9_.-]*$")]
CondaVersion = Annotated[str, StringConstraints(pattern=r"^[0-9][0-9A-Za-z._!+]*$")]
PythonVersion = Annotated[str, StringConstraints(pattern=PYTHON_PATTERN)]
Pin = Annotated[str, StringConstraints(pattern=PIN_PATTERN)]
Requirement = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_][^\n]*$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+!-]*$")]


def _inside(path: str) -> str:
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts:
        raise ValueError("must be a path inside the package, without '..'")
    return path


InsidePath = Annotated[str, AfterValidator(_inside)]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Pinned(_Entry):
    """One release in the Python package registry, with every file of it that may be used.

    Args:
        pip: ``name==version``.
        sha256: file name to digest. Of several wheels those that fit the machine are taken.
    """

    pip: Pin
    sha256: dict[FileName, Sha256] = Field(min_length=1)


class Wheel(Pinned):
    """A wheel that whl2conda converts, one conda package for each file that fits the machine.

    Args:
        name: name of the conda package, where it is not the wheel's own.
        rename: names of dependencies, from the registry's to the conda package's.
        add: further conda requirements, for what the wheel brings in another way or forgets.
        drop: dependencies, by the registry's name, that are not wanted.
    """

    name: CondaName | None = None
    rename: dict[str, CondaName] = {}
    add: tuple[Requirement, ...] = ()
    drop: tuple[str, ...] = ()


class Tree(_Entry):
    """A package laid out from files of wheels that hold no Python code (a compiler, a tool), or of none.

    Args:
        name: name of the conda package.
        version: its version.
        wheels: where the files come from.
        layout: folder or file in the wheels to folder or file in the prefix; a folder ends in ``/`` and the
            prefix itself is written ``""``. The longest match decides; what matches nothing is left out.
        omit: patterns of paths in the prefix that are left out.
        replace: file in the prefix to the texts to be replaced in it.
        links: symbolic links, by their path in the prefix.
        write: files with their content, by their path in the prefix. Those in ``bin/`` can be run.
        run: requirements at run time.
        constrains: versions of other packages that it goes with.
        noarch: ``True`` for a package without anything for one kind of machine.
        license: SPDX expression.
        summary: one line.
    """

    name: CondaName
    version: CondaVersion
    wheels: tuple[Pinned, ...] = ()
    layout: dict[InsidePath, InsidePath] = {}
    omit: tuple[str, ...] = ()
    replace: dict[InsidePath, dict[str, str]] = {}
    links: dict[InsidePath, InsidePath] = {}
    write: dict[InsidePath, str] = {}
    run: tuple[Requirement, ...] = ()
    constrains: tuple[Requirement, ...] = ()
    noarch: bool = False
    license: str | None = None
    summary: str | None = None


class Compilers(_Entry):
    """Thin packages that point ``CC`` and ``CXX`` at the machine's compilers.

    Args:
        c: name of the C compiler's package, what ``compiler('c')`` in a recipe turns into.
        cxx: the same for C++.
    """

    c: CondaName | None = None
    cxx: CondaName | None = None


class UpstreamManifest(_Entry):
    """Everything that an upstream channel is assembled from.

    Args:
        interpreters: Python versions to be repackaged from interpreters of the machine.
        compilers: packages for the machine's compilers.
        wheels: packages converted from wheels.
        trees: packages laid out from the files of wheels.
        sources: source archives that recipes of the forge name by path.
    """

    interpreters: tuple[PythonVersion, ...] = ()
    compilers: Compilers = Compilers()
    wheels: tuple[Wheel, ...] = ()
    trees: tuple[Tree, ...] = ()
    sources: tuple[Pinned, ...] = ()


def _key(location: tuple[int | str, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.removeprefix(".") or "the file"


_SHAPES = {
    PIN_PATTERN: "should be NAME==VERSION",
    SHA256_PATTERN: "should be a SHA-256 of 64 hexadecimal digits",
    PYTHON_PATTERN: "should be a Python version such as '3.12'",
}


def _message(kind: str, message: str, given: object) -> str:
    if kind == "string_pattern_mismatch":
        for pattern, shape in _SHAPES.items():
            if pattern in message:
                message = shape
    message = re.sub(r"^(Value error, |Input )", "", message)
    return f"{given!r} is wrong: {message}" if isinstance(given, str | int | float | bool) else message


def load_manifest(path: Path) -> UpstreamManifest:
    """Read and check a manifest.

    Raises:
        ForgeError: the file cannot be read, is not YAML, or has a key that is unknown or wrong; names both.
    """
    data = read_yaml(path, remedy="the key 'upstream' of forge.yaml names the manifest")
    if not isinstance(data, dict):
        raise ForgeError("must be a mapping with keys such as 'interpreters' and 'wheels'", where=str(path))
    try:
        return UpstreamManifest.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{path}: {_key(first['loc'])}"
        if first["type"] == "extra_forbidden":
            raise ForgeError("unknown key", where=where) from None
        raise ForgeError(_message(first["type"], first["msg"], first.get("input")), where=where) from None
