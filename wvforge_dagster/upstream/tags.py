"""Which files of a release fit this machine: its conda platform, and what a wheel's name says."""

from __future__ import annotations

import platform
import sys
from functools import cache

from packaging.tags import Tag, platform_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from wvforge_dagster.core.errors import ForgeError

_SUBDIRS = {("linux", "x86_64"): "linux-64", ("linux", "aarch64"): "linux-aarch64"}


def machine_subdir() -> str:
    """The conda platform of this machine.

    Raises:
        ForgeError: it is none for which an upstream channel can be assembled.
    """
    subdir = _SUBDIRS.get((sys.platform, platform.machine()))
    if subdir is None:
        raise ForgeError(
            f"an upstream channel cannot be assembled on {sys.platform} {platform.machine()}",
            remedy="use Linux on x86_64 or aarch64, or give forge.yaml an upstream channel that exists",
        )
    return subdir


@cache
def _platforms() -> frozenset[str]:
    return frozenset(platform_tags()) | {"any"}


def _tags(file: str) -> frozenset[Tag]:
    try:
        return parse_wheel_filename(file)[3]
    except InvalidWheelFilename as error:
        raise ForgeError(f"not the name of a wheel: {file}", where=file) from error


def fits_machine(file: str) -> bool:
    """Whether a wheel is for this kind of machine (whatever its Python)."""
    return any(tag.platform in _platforms() for tag in _tags(file))


def wheel_python(file: str) -> str | None:
    """The one Python version that a wheel is for (``3.12``), or ``None`` if it is for many."""
    for tag in _tags(file):
        if tag.interpreter.startswith("cp3") and tag.abi == tag.interpreter:
            return f"3.{tag.interpreter.removeprefix('cp3')}"
    return None
