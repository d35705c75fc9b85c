"""Every published package has an SBOM and a statement of its inputs beside it, and in Dagster's metadata."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from channels.conftest import KEY
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from git_repository import GitRepository
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage
from packageurl import PackageURL
from servers.prefix_server import PrefixServer
from small_forge import SmallForge

from orchestration.making import make, make_and_publish, publish
from wvforge_dagster import __version__
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.orchestration.assets import forge_assets
from wvforge_dagster.orchestration.promoting import promote
from wvforge_dagster.orchestration.publish import publish_variant

RECIPE = """\
package: {name: app, version: "1.0"}
source:
  - {path: ../../../sources/data.txt, sha256: %(sha256)s}
  - {path: ../../../sources/tree, target_directory: tree}
  - {git: "%(git)s", branch: main, target_directory: repository}
build:
  noarch: generic
  script: mkdir -p $PREFIX/share && cat data.txt tree/a repository/b > $PREFIX/share/app.txt
requirements: {build: [tool], host: [lib]}
about: {license: MIT AND Apache-2.0}
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[SmallForge, str]:
    """A forge with a package of all kinds of local sources, of a tool and a library; and the commit of its git source."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "forge").mkdir()
    small_forge = SmallForge(folder / "forge")
    repository = GitRepository(folder / "repository")
    commit = repository.commit(b="1")
    small_forge.write("sources/data.txt", "data")
    small_forge.write("sources/tree/a", "a")
    small_forge.write("pkgs/app/recipe/extra.patch", "none")
    sha256 = hashlib.sha256(b"data").hexdigest()
    small_forge.recipe("app", RECIPE % {"git": repository.url, "sha256": sha256})
    small_forge.package("tool")
    small_forge.package("lib")
    make_and_publish(small_forge, "tool", "lib")
    make(small_forge, "app")
    return small_forge, commit


@pytest.fixture
def app(built: tuple[SmallForge, str], tmp_path: Path) -> tuple[SmallForge, str]:
    """A copy of it that a test may change."""
    forge = SmallForge.__new__(SmallForge)
    forge.root = tmp_path / "forge"
    shutil.copytree(built[0].root, forge.root, symlinks=True)
    return forge, built[1]


def beside(forge: SmallForge, folder: str = "output/channel") -> dict[str, dict[str, Any]]:
    """The documents of `app` in a folder, by ending."""
    found = sorted((forge.root / folder / "noarch").glob("app-*.json"))
    return {path.name.rsplit(".", 2)[1]: json.loads(path.read_bytes()) for path in found}


def test_the_sbom_is_valid_and_says_what_the_package_was_built_in(app: tuple[SmallForge, str]) -> None:
    forge, commit = app
    (artifact,) = publish(forge, "app").artifacts
    sbom = beside(forge)["cdx"]
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(sbom)) is None
    assert Bom.from_json(sbom) is not None  # type: ignore[attr-defined]
    subject = sbom["metadata"]["component"]
    assert subject["hashes"] == [{"alg": "SHA-256", "content": artifact.sha256}]
    assert subject["purl"] == f"pkg:conda/app@1.0?build={artifact.build}&subdir=noarch&type=conda"
    assert subject["licenses"] == [{"expression": "MIT AND Apache-2.0"}]
    references = {reference["url"]: reference for reference in subject["externalReferences"]}
    git = next(url for url in references if url.startswith("git+"))
    assert git.endswith(f"@{commit}")
    assert references[git]["comment"] == f"commit {commit}"
    assert references["../../../sources/data.txt"]["hashes"][0]["content"] == hashlib.sha256(b"data").hexdigest()
    parts = {part["name"]: part for part in sbom["components"]}
    assert parts.keys() == {"tool", "lib"}
    staged = {entry.name: entry for entry in forge.open().staging.entries()}
    for name, environment in (("tool", "build"), ("lib", "host")):
        part = parts[name]
        assert part["properties"] == [{"name": "wvforge:environment", "value": environment}]
        assert part["hashes"] == [{"alg": "SHA-256", "content": staged[name].sha256}]
        assert part["licenses"] == [{"license": {"id": "MIT"}}]
        purl = PackageURL.from_string(part["purl"])
        assert (purl.type, purl.name, purl.version) == ("conda", name, "1.0")
        assert purl.qualifiers == {
            "build": staged[name].build,
            "subdir": "noarch",
            "type": "conda",
        }
    assert str(forge.root / "output") not in json.dumps(sbom)


def test_the_statement_has_the_form_of_in_toto_and_slsa(app: tuple[SmallForge, str]) -> None:
    forge, commit = app
    (artifact,) = publish(forge, "app").artifacts
    said = beside(forge)["intoto"]
    message = json_format.ParseDict({**said, "type": said.pop("_type")}, StatementMessage())
    Statement.copy_from_pb(message).validate()
    assert message.type == "https://in-toto.io/Statement/v1"
    assert said["subject"] == [{"name": artifact.filename, "digest": {"sha256": artifact.sha256}}]
    assert said["predicateType"] == "https://slsa.dev/provenance/v1"
    provenance = json_format.ParseDict(said["predicate"], Provenance())  # refuses a field that is none of SLSA's
    for dependency in provenance.build_definition.resolved_dependencies:
        ResourceDescriptor.copy_from_pb(dependency).validate()
        assert dependency.digest
    assert provenance.run_details.builder.id == "urn:wvforge:builder"
    engine = importlib.metadata.version("py-rattler-build")
    assert dict(provenance.run_details.builder.version) == {"wvforge": __version__, "rattler-build": engine}
    assert provenance.run_details.metadata.started_on.ToMilliseconds() == artifact.built
    definition = said["predicate"]["buildDefinition"]
    assert definition["externalParameters"]["recipe"]["package"] == {"name": "app", "version": "1.0"}
    assert definition["externalParameters"]["variant"] == dict(artifact.record.parts["variant"])  # type: ignore[union-attr]
    digests = {item["name"]: item["digest"] for item in definition["resolvedDependencies"]}
    assert digests["../../../sources/data.txt"] == {"sha256": hashlib.sha256(b"data").hexdigest()}
    assert list(digests["../../../sources/tree"]) == ["wvforgeTree"]
    assert digests["recipe/extra.patch"] == {"sha256": hashlib.sha256(b"none").hexdigest()}
    assert {"gitCommit": commit} in digests.values()
    assert {"tool", "lib"} <= digests.keys()


def test_the_same_package_gives_the_same_bytes_also_when_staging_was_lost(app: tuple[SmallForge, str]) -> None:
    forge, _ = app
    first = publish(forge, "app").documents
    assert len(first) == 1
    shutil.rmtree(forge.root / "output" / "staging")
    for path in (forge.root / "output" / "channel" / "noarch").glob("app-*.json"):
        path.unlink()
    assert publish(forge, "app").documents == first
    assert beside(forge) == beside(forge, "output/provenance") != {}


def test_a_server_gets_the_package_and_the_documents_stay_in_the_output_folder_and_in_dagster(
    app: tuple[SmallForge, str], tmp_path: Path
) -> None:
    forge, _ = app
    with PrefixServer(tmp_path / "server", key=KEY) as server:
        forge.configure(channels=[], variants=[], publish=[{"prefix": "forge", "url": server.url}])
        opened = forge.open({"PREFIX_API_KEY": KEY})
        made = publish_variant(opened, VariantId("app", ""))
        assert [path.suffix for path in (tmp_path / "server").rglob("noarch/app*")] == [".conda"]
        kept = beside(forge, "output/provenance")
        assert kept.keys() == {"cdx", "intoto"}
        upload = next(asset for asset in forge_assets(opened) if dg.AssetKey(["upload", "app"]) in asset.keys)
        done = dg.materialize([upload], selection=[upload], raise_on_error=True)
    (shown,) = done.asset_materializations_for_node("upload__app")
    assert shown.metadata["SBOM"].value == kept["cdx"]
    assert shown.metadata["statement of inputs"].value == kept["intoto"]
    assert made.artifacts[0].filename == shown.metadata["filename"].value


def test_documents_that_were_lost_come_back_with_an_upload_but_not_beside_what_was_promoted(
    small_forge: SmallForge,
) -> None:
    targets = [{"file": "output/channel"}, {"file": "public", "publish": "by-column"}]
    small_forge.configure(channels=[], variants=[], publish=targets)
    small_forge.package("app")
    make_and_publish(small_forge, "app")
    promote(small_forge.open(), ("",))
    folders = ("output/channel", "public")
    assert [beside(small_forge, folder).keys() for folder in folders] == [{"cdx", "intoto"}] * 2
    for path in [*small_forge.root.glob("public/*/*.cdx.json"), *small_forge.root.glob("output/channel/*/*.cdx.json")]:
        path.unlink()
    publish(small_forge, "app")
    promote(small_forge.open(), ("",))
    assert ["cdx" in beside(small_forge, folder) for folder in folders] == [True, False]
