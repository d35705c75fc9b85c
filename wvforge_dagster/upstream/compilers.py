"""Thin packages whose activation points ``CC`` and ``CXX`` at the machine's own compilers."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_LANGUAGES = {"c": ("CC", ("gcc", "cc", "clang")), "cxx": ("CXX", ("g++", "c++", "clang++"))}


@dataclass(frozen=True)
class Compiler:
    """A compiler of the machine.

    Args:
        variable: the environment variable that names it to build systems.
        command: the program with its path, and arguments that belong to it.
        version: what it says its version is.
    """

    variable: str
    command: tuple[str, ...]
    version: str

    def activation(self) -> str:
        """The script that a conda environment runs when it is activated."""
        return f"export {self.variable}={shlex.quote(shlex.join(self.command))}\n"


def find_compiler(language: str, environment: Mapping[str, str] = os.environ) -> Compiler | None:
    """The machine's compiler: what ``CC`` or ``CXX`` names, else the first of the usual programs that runs.

    Args:
        language: ``c`` or ``cxx``.
        environment: where ``CC``, ``CXX`` and ``PATH`` are read.
    """
    variable, names = _LANGUAGES[language]
    named = environment.get(variable, "")
    for words in [shlex.split(named)] if named else [[name] for name in names]:
        program = shutil.which(words[0], path=environment.get("PATH"))
        version = _version(Path(program)) if program else None
        if program and version:
            return Compiler(variable, (program, *words[1:]), version)
    return None


def _version(program: Path) -> str | None:
    try:
        done = subprocess.run(
            [str(program), "-dumpfullversion", "-dumpversion"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = done.stdout.strip()
    return version if done.returncode == 0 and re.fullmatch(r"\d[\d.]*", version) else None
