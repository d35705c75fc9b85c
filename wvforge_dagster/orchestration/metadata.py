"""Values of this project as Dagster's metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import dagster as dg

from wvforge_dagster.build.inspect import Environments
from wvforge_dagster.channels.beside import SBOM, STATEMENT
from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.catalog import Package
from wvforge_dagster.orchestration.made import Made
from wvforge_dagster.orchestration.publish import Published

Metadata = dict[str, Any]


def package_metadata(package: Package, elsewhere: str | None = None) -> Metadata:
    """What the asset of a package shows before anything is built.

    Args:
        elsewhere: why this machine does not build it, if it does not.
    """
    metadata: Metadata = {"recipe": package.path, "level": package.level, "platform": package.platform}
    if elsewhere is not None:
        metadata["elsewhere"] = elsewhere
    if package.recipe is not None:
        about = package.recipe.about
        metadata["version"] = package.recipe.outputs[0].version
        if about.license:
            metadata["license"] = about.license
        if about.homepage:
            metadata["homepage"] = dg.MetadataValue.url(about.homepage)
    return metadata


def made_metadata(made: Made, environments: Mapping[str, Environments]) -> Metadata:
    """What a materialization carries."""
    metadata: Metadata = decision(made.reason, made.outcome) | artifacts_metadata(made.artifacts)
    for artifact in made.artifacts:
        prefix = _prefix(artifact, made.artifacts)
        host = environments.get(artifact.filename, Environments()).sections.get("host", ())
        if host:
            metadata[f"{prefix}host environment"] = dg.MetadataValue.table(
                [
                    dg.TableRecord(
                        {"name": item.name, "version": item.version, "build": item.build, "sha256": item.sha256}
                    )
                    for item in host
                ]
            )
    if made.log is not None:
        metadata["log"] = dg.MetadataValue.path(made.log)
    if made.cache_use is not None:
        metadata |= {f"compiler cache: {key}": getattr(made.cache_use, key) for key in ("hits", "misses")}
    if made.measure is not None:
        metadata["seconds: all"] = round(made.measure.seconds, 3)
        metadata["peak memory (MiB)"] = round(made.measure.memory / 2**20, 1)
    metadata |= {f"seconds: {phase.replace('_', ' ')}": round(value, 3) for phase, value in made.seconds.items()}
    return metadata


def decision(reason: str, outcome: str) -> Metadata:
    """What was done, and why, in one line that still reads true once it is done."""
    return {"decision": f"{outcome}: {reason}" if outcome == "not built" else f"{outcome}, because: {reason}"}


def artifacts_metadata(artifacts: tuple[Artifact, ...]) -> Metadata:
    """What is known of the files of one package variant; with the name of the output before each key if it has several."""
    metadata: Metadata = {}
    for artifact in artifacts:
        metadata |= {
            f"{_prefix(artifact, artifacts)}{key}": value for key, value in artifact_metadata(artifact).items()
        }
    return metadata


def provenance_metadata(published: Published) -> Metadata:
    """The SBOM and the statement of inputs of each published package."""
    return {
        f"{_prefix(artifact, published.artifacts)}{key}": dg.MetadataValue.json(json.loads(documents[ending]))
        for artifact in published.artifacts
        if (documents := published.documents.get(artifact.sha256))
        for key, ending in (("SBOM", SBOM), ("statement of inputs", STATEMENT))
    }


def _prefix(artifact: Artifact, artifacts: tuple[Artifact, ...]) -> str:
    if len(artifacts) == 1:
        return ""
    twins = sum(1 for other in artifacts if other.name == artifact.name)
    return f"{artifact.name}: " if twins == 1 else f"{artifact.name} {artifact.build}: "


def artifact_metadata(artifact: Artifact) -> Metadata:
    """What is known of one package file."""
    metadata: Metadata = {
        "filename": artifact.filename,
        "version": artifact.version,
        "build string": artifact.build,
        "build number": artifact.build_number,
        "subdir": artifact.subdir,
        "size (bytes)": artifact.size,
        "sha256": artifact.sha256,
        "content digest": artifact.content,
        "files": artifact.file_count,
    }
    if artifact.record is not None:
        metadata["input digest"] = artifact.record.input_digest
        variant = artifact.record.parts.get("variant") or {}
        metadata["variant"] = dg.MetadataValue.json(dict(variant))
        if artifact.build_number != artifact.record.recipe_number:
            metadata["build number in the recipe"] = artifact.record.recipe_number
    return metadata
