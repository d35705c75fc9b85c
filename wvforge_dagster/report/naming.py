"""Names of packages and columns as names of files, and as anchors in pages."""

from __future__ import annotations

import re
from collections.abc import Iterable


def file_names(names: Iterable[str]) -> dict[str, str]:
    """For each name one of letters, digits, ``-``, ``_`` and ``.`` that no other has, and that begins with no dot."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        plain = anchor(name) or "_"
        plain = f"_{plain}" if plain.startswith(".") else plain
        free, number = plain, 1
        while free.lower() in taken:
            number += 1
            free = f"{plain}__{number}"
        taken.add(free.lower())
        found[name] = free
    return found


def place_of(partition: str | None) -> str:
    """The anchor of a package variant on its package's page. static/report.js makes the same."""
    return f"v-{anchor(partition or 'all')}"


def anchor(name: str) -> str:
    """A name without what has a meaning in an address: ``13.0|3.12`` is ``13.0_3.12``."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)
