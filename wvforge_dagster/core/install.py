"""The lines that install one package variant, as pixi, conda and micromamba take them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

TOOLS = ("pixi", "conda", "micromamba")


def install_spec(name: str, version: str, build: str, build_number: int, *, only_one: bool) -> str:
    """What a solver is asked for to get one column's package, or a later build of the same.

    The build string tells the columns apart: their requirements may overlap (CUDA 12.8 fulfils ``>=12.6``).

    Args:
        only_one: whether the package has one variant of this name; then its version says enough.
    """
    if only_one:
        return f"{name}=={version}"
    series = build.removesuffix(f"_{build_number}")
    # Of all ways to write it the one that every reader takes, rattler's strict one as well.
    return f"{name} =={version} {build if series == build else f'{series}_*'}"


def install_lines(name: str, specs: Sequence[str], channels: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """By tool, the lines that make a new environment, named after the package, with these specs.

    Args:
        channels: names and addresses, in order of priority.
    """
    quoted = " ".join(shlex.quote(spec) for spec in specs)
    given = " ".join(f"--channel {shlex.quote(channel)}" for channel in channels)
    place = shlex.quote(name)
    return {
        "pixi": (f"pixi init {given} {place}", f"pixi add --manifest-path {place} {quoted}"),
        "conda": (f"conda create --name {place} --override-channels {given} {quoted}",),
        "micromamba": (f"micromamba create --name {place} --override-channels {given} {quoted}",),
    }
