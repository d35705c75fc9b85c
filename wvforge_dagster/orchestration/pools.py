"""Dagster's pools: what may run beside what. Each class of packages is one, under its name, and uploads are another.

Their limits are in the storage, and on the page *Concurrency* of the UI.
"""

from __future__ import annotations

from collections.abc import Mapping

from wvforge_dagster.core.classes import ClassSettings

UPLOAD_POOL = "upload"
GPU_POOL = "gpu"


def pool_limits(classes: Mapping[str, ClassSettings]) -> dict[str, int]:
    """The limits that forge.yaml sets; the other pools have that of dagster.yaml."""
    return {name: settings.at_once for name, settings in classes.items() if settings.at_once is not None}
