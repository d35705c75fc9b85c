"""What the environments of a package variant require of upstream channels, before any of it was built.

After the engine's own rules (rattler-build, ``finalized_dependencies``): a bare requirement takes the value of its variant
key. What the engine adds from the run exports of a solved environment is not known yet and left out; so are the forge's own
packages, in whose place stands what they need to run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from wvforge_dagster.core.catalog import Catalog, PackageVariant
from wvforge_dagster.core.columns import matches
from wvforge_dagster.core.recipe import Output, Requirement

Section = tuple[str, tuple[str, ...]]


def environments_before_a_build(catalog: Catalog, variant: PackageVariant) -> tuple[Section, ...]:
    """For each environment (``build``, ``host``, ``run``) that requires something of upstream: its name and its specs."""
    found = []
    for output in variant.outputs:
        sections = [("build", ("build",)), ("host", ("host",))]
        if output.rendered.get("tests"):
            sections.append(("run", ("run",)))
        for name, parts in sections:
            specs = dict.fromkeys(_upstream_specs(catalog, variant, output, parts))
            if specs:
                found.append((name, tuple(specs)))
    return tuple(dict.fromkeys(found))


def _upstream_specs(
    catalog: Catalog, variant: PackageVariant, output: Output, sections: tuple[str, ...]
) -> Iterable[str]:
    column = catalog.packages[variant.id.package].dimensions.split(variant.id.partition)
    seen: set[str] = set()
    queue = [(output, requirement) for section in sections for requirement in output.requirements.get(section, ())]
    while queue:
        holder, requirement = queue.pop(0)
        owner = catalog.provider.get(requirement.name)
        if owner is None:
            yield _spec(holder, requirement)
        elif requirement.name not in seen:
            seen.add(requirement.name)
            package = catalog.packages[owner]
            for key in package.dimensions.keys():
                if not matches(package.dimensions.split(key), column):
                    continue
                for other in (o for v in catalog.of_package(owner) if v.id.partition == key for o in v.outputs):
                    if other.name == requirement.name:
                        queue += [(other, needed) for needed in other.requirements.get("run", ())]


def _spec(output: Output, requirement: Requirement) -> str:
    """The requirement as the solver is given it; a pin is its package, in the variant's version."""
    pinned = re.fullmatch(r"pin_\w+\((.*)\)", requirement.spec)
    text = requirement.name if pinned else requirement.spec
    value = dict(output.variant).get(requirement.name.replace("-", "_"))
    if value is None or text.strip() != requirement.name:
        return text
    return f"{text} {value}" if re.search(r"[*=<>\s]", value) else f"{text} {value}.*"
