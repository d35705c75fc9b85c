"""What a package was built in as a bill of materials: CycloneDX 1.6 in JSON, through cyclonedx-python-lib.

The same package gives the same bytes: the serial number is made of its sha256, the time is that of its build.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import License
from cyclonedx.model.lifecycle import LifecyclePhase, PredefinedLifecycle
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from wvforge_dagster.build.materials import EnvironmentPackage, Material, Materials

_ALGORITHMS = {"sha256": HashAlgorithm.SHA_256, "md5": HashAlgorithm.MD5}
_REFERENCES = {
    "url": ExternalReferenceType.SOURCE_DISTRIBUTION,
    "git": ExternalReferenceType.VCS,
    "path": ExternalReferenceType.SOURCE_DISTRIBUTION,
}


def make_sbom(materials: Materials) -> bytes:
    """The bill of materials of a package."""
    artifact = materials.artifact
    subject = Component(
        name=artifact.name,
        version=artifact.version,
        type=ComponentType.LIBRARY,
        bom_ref=artifact.sha256,
        purl=_purl(artifact.name, artifact.version, build=artifact.build, subdir=artifact.subdir, type="conda"),
        hashes=_hashes({"sha256": artifact.sha256}),
        licenses=_licenses(materials.license),
        external_references=[_reference(source) for source in materials.sources],
        properties=[Property(name="wvforge:filename", value=artifact.filename)],
    )
    components = [_component(package) for package in materials.environments]
    bom = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"sha256:{artifact.sha256}"),
        metadata=BomMetaData(
            component=subject,
            timestamp=datetime.fromtimestamp(artifact.built / 1000, UTC),
            lifecycles=[PredefinedLifecycle(LifecyclePhase.BUILD)],
            tools=ToolRepository(components=[Component(name="wvforge", type=ComponentType.APPLICATION)]),
        ),
        components=components,
    )
    bom.register_dependency(subject, components)
    return JsonV1Dot6(bom).output_as_string(indent=1).encode()


def purl_of(package: EnvironmentPackage) -> PackageURL:
    """The package URL of a package of an environment, by the definition of its type ``conda``."""
    return _purl(
        package.name,
        package.version,
        build=package.build,
        channel=package.channel,
        subdir=package.subdir,
        type=package.archive,
    )


def _purl(name: str, version: str, **qualifiers: str) -> PackageURL:
    return PackageURL("conda", name=name, version=version, qualifiers={k: v for k, v in qualifiers.items() if v})


def _component(package: EnvironmentPackage) -> Component:
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=package.sha256 or str(purl_of(package)),
        purl=purl_of(package),
        # A tool of the build is no part of what came out.
        scope=ComponentScope.EXCLUDED if package.environments == ("build",) else None,
        hashes=_hashes({"sha256": package.sha256} if package.sha256 else {}),
        licenses=_licenses(package.license),
        properties=[Property(name="wvforge:environment", value=name) for name in package.environments],
    )


def _reference(source: Material) -> ExternalReference:
    commit = source.digests.get("gitCommit")
    return ExternalReference(
        type=_REFERENCES[source.kind],
        url=XsUri(_as_uri(source.uri or source.name)),
        comment=f"commit {commit}" if commit else None,
        hashes=_hashes(source.digests),
    )


def _as_uri(name: str) -> str:
    """A name as a reference that XML Schema takes: a `%` that is no escape, and a `#` after the first, are escaped."""
    before, hash_sign, after = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", name).partition("#")
    return before + hash_sign + after.replace("#", "%23")


def _hashes(digests: Mapping[str, str]) -> Iterable[HashType]:
    return [HashType(alg=_ALGORITHMS[name], content=value) for name, value in digests.items() if name in _ALGORITHMS]


def _licenses(text: str) -> list[License]:
    return [LicenseFactory().make_from_string(text)] if text else []
