"""The code for GPUs in a library, as NVIDIA's cuobjdump lists it."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import IO

from wvforge_dagster.core.device_code import DeviceCode

SECONDS = 600.0
"""Longest time for one library: those of a gigabyte take seconds."""

MISSING = "there is no cuobjdump on this machine (pip install wvforge-dagster[cuda])"

_LISTED = re.compile(r"^(ELF|PTX) file\s+\d+:.*\.sm_(\d+[af]?)\.(?:cubin|ptx)\s*$", re.MULTILINE)
_NOTHING = re.compile(r"^cuobjdump info\s*: .*(No|does not contain) .*$|^\s*$")


def read_device_code(library: IO[bytes]) -> DeviceCode:
    """What an open library has; run it for libraries that have a section of device code only."""
    program = _program()
    if program is None:
        return DeviceCode(fault=MISSING)
    # It has no name any more; cuobjdump goes by the one of its descriptor.
    command = [program, "--list-elf", "--list-ptx", _by_descriptor(library.fileno())]
    opened = [library.fileno(), *_in_memory()] if program.startswith("/proc/") else [library.fileno()]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            pass_fds=opened,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return DeviceCode(fault=f"{type(error).__name__}: {error}"[:200])
    listed = _LISTED.findall(done.stdout.decode("utf-8", "replace"))
    said = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if not _NOTHING.match(line)]
    if done.returncode and not listed:
        return DeviceCode(fault=(said or [f"cuobjdump ended with status {done.returncode}"])[0][:200])
    sass, ptx = (tuple(sorted({name for what, name in listed if what == kind})) for kind in ("ELF", "PTX"))
    return DeviceCode(sass, ptx)


def _program() -> str | None:
    """The machine's cuobjdump, else that of NVIDIA's wheel."""
    found = shutil.which("cuobjdump")
    return found or next(map(_by_descriptor, _in_memory()), None)


@cache
def _in_memory() -> tuple[int, ...]:
    """The descriptor of a copy of the wheel's program, which has no run bit; nothing if the wheel is not installed."""
    spec = importlib.util.find_spec("nvidia")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(Path(place).glob("cu*/bin/cuobjdump")):
            descriptor = os.memfd_create("cuobjdump")
            with os.fdopen(os.dup(descriptor), "wb") as copy:
                copy.write(path.read_bytes())
            return (descriptor,)
    return ()


def _by_descriptor(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"
