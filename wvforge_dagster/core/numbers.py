"""Build numbers: no filename is ever used twice for different content (design decision 6)."""

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
            differ in the number at the end only.
        number: the build number that the recipe gives it; a build string without a number stands for this one.
        filenames: what the channels hold, such as ``cumm-0.7.11-py312h1a2b3c4_3.conda``.
    """
    taken = []
    for filename in filenames:
        stem = re.sub(r"\.(conda|tar\.bz2)$", "", filename)
        parts = stem.rsplit("-", 2)
        if len(parts) == 3 and parts[0] == name and parts[1] == version and _series(parts[2]) == _series(build):
            found = re.search(r"_(\d+)$", parts[2])
            taken.append(int(found.group(1)) if found else number)
    return taken


def _series(build: str) -> str:
    return re.sub(r"_\d+$", "", build)
