"""The recorded parts of the inputs: what a build runs with that is not in the recipe."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
from functools import cache

from wvforge_dagster import __version__

NO_SANDBOX = "own folders, scrubbed environment"
"""What keeps a build script from the rest of the machine, where nothing else does."""


@cache
def recorded_parts(isolation: str = NO_SANDBOX) -> dict[str, str]:
    """wvforge, the engine, the machine's compilers, and the isolation, each in a line."""
    return {
        "wvforge": f"wvforge {__version__}",
        "engine": f"rattler-build {importlib.metadata.version('py-rattler-build')}",
        "compilers": "; ".join(f"{name}: {_version(name)}" for name in ("cc", "c++")),
        "isolation": isolation,
    }


def _version(program: str) -> str:
    """The first line that a compiler says of its version, or ``none``."""
    if shutil.which(program) is None:
        return "none"
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return "none"
    return (said.strip().splitlines() or ["none"])[0]
