"""Which filenames upstream channels hold of a package."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import rattler
from rattler.platform import Subdir

from wvforge_dagster.rattler_calls import wait_for


def filenames_of(channels: Sequence[str], platform: str, names: Iterable[str]) -> frozenset[str]:
    """The filenames of these packages in upstream channels; nothing if they cannot be asked.

    A build that cannot reach them cannot be solved either, and says so itself.
    """
    if not channels:
        return frozenset()
    try:
        platforms = [Subdir(platform), Subdir("noarch")]
        found = wait_for(rattler.Gateway().query(channels, platforms, list(names), recursive=False))
    except Exception:  # rattler has no common class of its errors
        return frozenset()
    return frozenset(record.file_name for records in found for record in records)
