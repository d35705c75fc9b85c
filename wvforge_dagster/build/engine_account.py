"""The engine's own account of a build, which it leaves in each package: what it built, from what, in which environments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.yaml_files import LOADER

RENDERED = "info/recipe/rendered_recipe.yaml"
"""The file of a package with this account."""


def rendered_recipe(content: bytes | None, where: str) -> dict[str, Any]:
    """The account in a package's `RENDERED`; empty for another tool's package.

    Raises:
        ForgeError: if it is malformed.
    """
    try:
        found = yaml.load(content or b"", Loader=LOADER) or {}
    except yaml.YAMLError as error:
        raise ForgeError(f"its {RENDERED} cannot be read: {error}", where=where) from None
    return found if isinstance(found, dict) else {}


def dependencies_of(rendered: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """What was resolved by section (``build``, ``host``, ``run``): for the output itself, and for the staging output that it
    inherits; empty where there is none."""
    return rendered.get("finalized_dependencies") or {}, rendered.get("finalized_cache_dependencies") or {}
