"""Find the machine's Python interpreters. Finding only; repackaging is in ``interpreter_tree``."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_PROBE_DEADLINE_S = 20
_PROBE = """
import json, os, sys, sysconfig
var, path = sysconfig.get_config_var, sysconfig.get_path
with open("/proc/self/maps") as maps:
    library = [line.split()[-1] for line in maps if "/libpython3" in line]
print(json.dumps({
    "executable": os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable),
    "version": ".".join(map(str, sys.version_info[:3])),
    "level": sys.version_info[3],
    "implementation": sys.implementation.name,
    "threaded": bool(var("Py_GIL_DISABLED")),
    "platlibdir": sys.platlibdir,
    "prefix": sys.base_prefix,
    "stdlib": path("stdlib"),
    "include": path("include", vars={"installed_base": sys.base_prefix}),
    "library": library[0] if library else "",
}))
"""


@dataclass(frozen=True)
class Interpreter:
    """A CPython that can be repackaged; every path is what it says of itself.

    Args:
        executable: the program, links resolved.
        version: full version (``3.12.1``).
        prefix: the folder it was installed to.
        stdlib: its standard library.
        include: its C headers.
        library: the shared library that its program runs with, if it does.
        fixed_to_library: the program holds the path of that library's folder.
    """

    executable: Path
    version: str
    prefix: Path
    stdlib: Path
    include: Path
    library: Path | None
    fixed_to_library: bool

    @property
    def minor(self) -> str:
        """The version as in a variant (``3.12``)."""
        return ".".join(self.version.split(".")[:2])


@dataclass(frozen=True)
class NoInterpreter:
    """Why there is none: one line that names what was looked at."""

    reason: str


def find_interpreter(version: str, environment: Mapping[str, str] = os.environ) -> Interpreter | NoInterpreter:
    """The first interpreter of a version that has what builds need.

    Looked at in this order: the path, pyenv's versions, uv's, then the system's folders; a newer patch
    release before an older one. A pyenv shim that runs nothing, a PyPy, a free-threaded build or one without
    ``Python.h`` is not taken.

    Args:
        version: ``3.12``.
        environment: where ``PATH``, ``HOME``, ``PYENV_ROOT``, ``UV_PYTHON_INSTALL_DIR`` and ``XDG_DATA_HOME``
            are read.
    """
    refused: dict[str, str] = {}
    seen: set[Path] = set()
    for candidate in _candidates(version, environment):
        probed = _probe(candidate, version)
        if isinstance(probed, Interpreter):
            return probed
        real = candidate.resolve()
        if real not in seen:
            seen.add(real)
            refused[str(candidate)] = probed.reason
    if not refused:
        return NoInterpreter(f"no Python {version} on this machine (looked on the path, in pyenv and uv)")
    return NoInterpreter(f"no usable Python {version}: " + "; ".join(f"{path} {why}" for path, why in refused.items()))


def _candidates(version: str, environment: Mapping[str, str]) -> Iterator[Path]:
    name = f"python{version}"
    home = Path(environment.get("HOME") or Path.home())
    on_path = [Path(part) for part in environment.get("PATH", "").split(os.pathsep) if part]
    system = {Path("/bin"), Path("/sbin"), Path("/usr/bin"), Path("/usr/sbin")}
    data = Path(environment.get("XDG_DATA_HOME") or home / ".local/share")
    folders = [folder for folder in on_path if folder not in system]
    folders += _installed(Path(environment.get("PYENV_ROOT") or home / ".pyenv") / "versions", version)
    folders += _installed(Path(environment.get("UV_PYTHON_INSTALL_DIR") or data / "uv/python"), version)
    folders += [Path("/usr/local/bin"), *(folder for folder in on_path if folder in system), Path("/usr/bin")]
    for folder in dict.fromkeys(folders):
        candidate = folder / name
        if candidate.is_file() and os.access(candidate, os.X_OK):
            yield candidate


def _installed(folder: Path, version: str) -> list[Path]:
    pattern = re.compile(rf"(?:cpython-)?{re.escape(version)}(?:\.(\d+))?(?:-.*)?$")
    found = [(int(m[1] or 0), path) for path in folder.glob("*") if (m := pattern.match(path.name))]
    return [path / "bin" for _, path in sorted(found, reverse=True)]


def _probe(candidate: Path, version: str) -> Interpreter | NoInterpreter:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    try:
        done = subprocess.run(
            [str(candidate), "-I", "-c", _PROBE],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PROBE_DEADLINE_S,
            check=False,
        )
        said = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return NoInterpreter("does not run")
    if said["implementation"] != "cpython":
        return NoInterpreter(f"is {said['implementation']}, not CPython")
    if not said["version"].startswith(f"{version}.") or said["level"] != "final":
        return NoInterpreter(f"is Python {said['version']} {said['level']}")
    if said["threaded"]:
        return NoInterpreter("is a free-threaded build")
    if said["platlibdir"] != "lib":
        return NoInterpreter(f"keeps its packages in {said['platlibdir']}, where conda packages have lib")
    include = Path(said["include"])
    if not (include / "Python.h").is_file():
        return NoInterpreter(f"has no C headers ({include}/Python.h; install its development package)")
    library = Path(said["library"]) if said["library"] else None
    executable = Path(said["executable"])
    return Interpreter(
        executable=executable,
        version=said["version"],
        prefix=Path(said["prefix"]),
        stdlib=Path(said["stdlib"]),
        include=include,
        library=library,
        fixed_to_library=library is not None and str(library.parent).encode() in executable.read_bytes(),
    )
