"""What a package was made from as a statement: in-toto Statement v1 with the predicate of SLSA provenance v1, in JSON.

Plain values with the specifications' own field names. It is not signed: it is worth what the channel is worth that holds it.
The same package gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from wvforge_dagster.build.materials import EnvironmentPackage, Material, Materials, everything_without_credentials
from wvforge_dagster.build.sbom import purl_of

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:wvforge:build:v1"
BUILDER = "urn:wvforge:builder"


def make_statement(materials: Materials) -> bytes:
    """The statement of a package's inputs."""
    artifact = materials.artifact
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": artifact.filename, "digest": {"sha256": artifact.sha256}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {"buildDefinition": _build_definition(materials), "runDetails": _run_details(materials)},
    }
    # A file name that is not UTF-8 is no string of JSON.
    return json.dumps(statement, indent=1, sort_keys=True, ensure_ascii=False).encode("utf-8", "replace")


def _build_definition(materials: Materials) -> dict[str, Any]:
    record = materials.artifact.record
    parts: Mapping[str, Any] = record.parts if record else {}
    return {
        "buildType": BUILD_TYPE,
        "externalParameters": {
            "package": record.package if record else materials.artifact.name,
            "partition": record.partition if record else "",
            "recipe": _shown(parts.get("recipe") or {}),
            "variant": dict(parts.get("variant") or {}),
            "platform": parts.get("platform") or "",
        },
        "internalParameters": {
            "buildNumber": materials.artifact.build_number,
            "inputDigest": record.input_digest if record else "",
            "recorded": dict(record.recorded) if record else {},
        },
        "resolvedDependencies": [
            *(_material(source, source.name) for source in materials.sources),
            *(_material(file, f"recipe/{file.name}") for file in materials.recipe_files),
            *map(_package, materials.environments),
        ],
    }


def _shown(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe, with the addresses of its sources without credentials."""
    return {key: everything_without_credentials(item) if key == "source" else item for key, item in recipe.items()}


def _run_details(materials: Materials) -> dict[str, Any]:
    record = materials.artifact.record
    programs = [record.recorded.get(part, "").partition(" ") for part in ("wvforge", "engine")] if record else []
    builder: dict[str, Any] = {"id": BUILDER}
    if versions := {program: version for program, _, version in programs if version}:
        builder["version"] = versions
    started = datetime.fromtimestamp(materials.artifact.built / 1000, UTC)
    return {"builder": builder, "metadata": {"startedOn": started.isoformat().replace("+00:00", "Z")}}


def _material(material: Material, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "digest": {key: value for key, value in material.digests.items() if value}}
    return found | ({"uri": material.uri} if material.uri else {})


def _package(package: EnvironmentPackage) -> dict[str, Any]:
    return {
        "name": package.name,
        "uri": str(purl_of(package)),
        "digest": {"sha256": package.sha256} if package.sha256 else {},
        "annotations": {"environments": list(package.environments)},
    }
