"""Build numbers: no filename is ever used twice for different content (design decision 6)."""

from __future__ import annotations

import re
from collections.abc import Iterable


def free_number(recipe_number: int, taken: Iterable[int]) -> int:
    """The build number for a new build: the recipe's, or one above the highest that channels hold.

    Args:
        taken: build numbers of packages of the same name and version whose build would have the same name or is
            older content of the same variant.
    """
    highest = max(taken, default=None)
    return recipe_number if highest is None or highest < recipe_number else highest + 1


def same_series(build: str, other: str) -> bool:
    """Whether two build strings differ in the number at their end only: ``py312h1a2b3c4_0`` and ``py312h1a2b3c4_3``."""
    return _stem(build) == _stem(other)


def with_number(build: str, number: int) -> str:
    """A build string with another number at its end; one without a number gets one."""
    return f"{_stem(build)}_{number}"


def _stem(build: str) -> str:
    return re.sub(r"_\d+$", "", build)
