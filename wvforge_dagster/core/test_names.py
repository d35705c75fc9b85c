"""Names of a recipe's tests: what they are, and a number where there are several of a kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

_KINDS = ("python", "perl", "r", "ruby", "script", "package_contents", "downstream")


def test_names(tests: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """A name for each test of a rendered recipe, in order: ``python``, ``script``, ``script_2``."""
    seen: Counter[str] = Counter()
    names = []
    for test in tests:
        kind = next((kind for kind in _KINDS if kind in test), "test")
        seen[kind] += 1
        names.append(kind if seen[kind] == 1 else f"{kind}_{seen[kind]}")
    return tuple(names)
