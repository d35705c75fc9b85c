"""Which of the forge's own packages a build may use: those of its own column, made from the inputs as they are now."""

from __future__ import annotations

from collections.abc import Mapping

from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.catalog import PackageVariant, VariantId
from wvforge_dagster.core.state import Status
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk


def column_artifacts(
    forge: ForgeOnDisk, variant: PackageVariant, statuses: Mapping[VariantId, Status]
) -> tuple[Artifact, ...]:
    """The forge's own packages that a build of `variant` may use: those that it needs, and what those need, in its
    column, as far as they are up to date."""
    found: dict[Artifact, None] = {}
    for identity in forge.catalog.with_needs(variant.id):
        if identity != variant.id and statuses[identity].is_settled:
            found |= dict.fromkeys(statuses[identity].artifacts)
    return tuple(sorted(found, key=lambda artifact: (artifact.subdir, artifact.filename)))
