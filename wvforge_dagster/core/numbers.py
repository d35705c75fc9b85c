"""Build numbers: no filename is ever used twice for different content (docs/how-it-works.md, "Decisions")."""

from __future__ import annotations

import re
from collections.abc import Iterable


def free_number(recipe_number: int, taken: Iterable[int]) -> int:
    """The build number for a new build: the recipe's, or one above the highest that is taken."""
    highest = max(taken, default=None)
    return recipe_number if highest is None or highest < recipe_number else highest + 1


def taken_numbers(name: str, version: str, build: str, number: int, filenames: Iterable[str]) -> list[int]:
    """The build numbers that packages in channels have taken of one package variant.

    Args:
        build: the build string that the recipe gives it, such as ``py312h1a2b3c4_0``. Its series is all build strings that
            differ in the number at the end only; one without the number stands for it, and gets others appended.
        number: the build number that the recipe gives it.
        filenames: what the channels hold, such as ``cumm-0.7.11-py312h1a2b3c4_3.conda``.
    """
    series = build.removesuffix(f"_{number}")
    taken = []
    for filename in filenames:
        parts = re.sub(r"\.(conda|tar\.bz2)$", "", filename).rsplit("-", 2)
        if parts[:-1] != [name, version]:
            continue
        if parts[2] == build:
            taken.append(number)
        elif match := re.fullmatch(re.escape(series) + r"_(\d+)", parts[2]):
            taken.append(int(match.group(1)))
    return taken
