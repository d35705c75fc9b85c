"""What the environments of a package variant require, before any of it was built.

After the engine's own rules (rattler-build, ``finalized_dependencies``): a bare requirement takes the value of its variant
key. What the engine adds from the run exports of a solved environment is not known yet and left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from wvforge_dagster.core.catalog import Catalog, PackageVariant, VariantId
from wvforge_dagster.core.platforms import NOARCH
from wvforge_dagster.core.reach import reached
from wvforge_dagster.core.recipe import BUILD_SECTIONS, Output, Requirement

Section = tuple[str, tuple[str, ...]]
"""An environment's name, and its match specs."""


def environments_before_a_build(variant: PackageVariant) -> tuple[Section, ...]:
    """Each environment that requires something: ``build``, ``host``, those of staging outputs, and ``run``, where there are
    tests."""
    found: dict[Section, None] = {}
    siblings = {output.name for output in variant.outputs}
    for output in variant.outputs:
        for section in (*BUILD_SECTIONS, "run"):
            if section == "run" and not output.rendered.get("tests"):
                continue
            specs = (_spec(output, item) for item in output.requirements.get(section, ()) if item.name not in siblings)
            wanted = tuple(dict.fromkeys(specs))
            if wanted:
                found[(section, wanted)] = None
    return tuple(found)


def needed_variants(catalog: Catalog, variant: PackageVariant) -> tuple[VariantId, ...]:
    """The package variants of the forge that may be in these environments, directly or through others."""
    return tuple(sorted(reached(variant.needs, lambda identity: catalog.variants[identity].needs_to_run)))


def expected_entries(catalog: Catalog, variants: Iterable[VariantId]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """What channels will list of package variants that are not built yet, as repodata entries by subdir and filename."""
    entries: dict[str, dict[str, Mapping[str, Any]]] = {name: {} for name in (NOARCH, *catalog.platforms)}
    for identity in variants:
        for output in catalog.variants[identity].outputs:
            subdir = NOARCH if output.noarch else catalog.packages[identity.package].platform
            build = output.build_string or str(output.build_number)
            filename = f"{output.name}-{output.version}-{build}.conda"
            entries[subdir][filename] = {
                "name": output.name,
                "version": output.version,
                "build": build,
                "build_number": output.build_number,
                "depends": [_spec(output, item) for item in output.requirements.get("run", ())],
                "constrains": [],
                "subdir": subdir,
                "sha256": "0" * 64,
                "size": 0,
            }
    return entries


def _spec(output: Output, requirement: Requirement) -> str:
    """The requirement as the solver is given it; a pin is its package, in the variant's version."""
    pinned = re.fullmatch(r"pin_\w+\((.*)\)", requirement.spec)
    text = requirement.name if pinned else requirement.spec
    value = dict(output.variant).get(requirement.name.replace("-", "_"))
    if value is None or text.strip() != requirement.name:
        return text
    return f"{text} {value}" if re.search(r"[*=<>\s]", value) else f"{text} {value}.*"
