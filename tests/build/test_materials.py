"""What a package was made of, as it may be shown to everybody."""

from __future__ import annotations

import json

import pytest

from wvforge_dagster.build.materials import materials_of, without_credentials
from wvforge_dagster.build.sbom import make_sbom, purl_of
from wvforge_dagster.build.statement import make_statement
from wvforge_dagster.core.artifact import Artifact, Record

SHA256 = "5" * 64
SOURCES = [
    {
        "url": ["https://me:canary@example.org/a.tar.gz?token=canary", "https://mirror.example.org/a.tar.gz"],
        "sha256": SHA256,
    },
    {"url": "https://example.org/b.zip", "md5": "0" * 32},
    {"git": "https://canary@example.org/c.git", "tag": "v1", "rev": "refs/tags/v1"},
]
RESOLVED = {
    "name": "numpy",
    "version": "2.1",
    "build": "py312_0",
    "subdir": "linux-64",
    "sha256": SHA256,
    "license": "BSD-3-Clause",
    "fn": "numpy-2.1-py312_0.tar.bz2",
    "channel": "https://me:canary@conda.example.org/t/canary/main/",
}
RENDERED = {"finalized_dependencies": {"build": {"resolved": [RESOLVED]}, "host": {"resolved": [RESOLVED]}}}
PARTS = {
    "recipe": {"source": SOURCES},
    "sources": {"https://canary@example.org/c.git@refs/tags/v1": "commit " + "c" * 40},
    "files": {"a.patch": SHA256, "run.sh": f"{SHA256}:x", "link": "link:a.patch", "n\udcff.patch": SHA256},
}


def artifact(**record: object) -> Artifact:
    made = Record("a", "12.6|3.12", "d" * 64, PARTS, **record)  # type: ignore[arg-type]
    return Artifact("linux-64", "a-1-0.conda", "a", "1", "0", 0, "a" * 64, 1, "c", made, built=1_700_000_000_123)


def test_no_credential_of_an_address_is_shown() -> None:
    found = materials_of(artifact(), {"license": "Nobody's own"}, RENDERED)
    assert [(source.name, source.uri) for source in found.sources] == [
        ("https://example.org/a.tar.gz", "https://example.org/a.tar.gz"),
        ("https://mirror.example.org/a.tar.gz", "https://mirror.example.org/a.tar.gz"),
        ("https://example.org/b.zip", "https://example.org/b.zip"),
        ("https://example.org/c.git", f"git+https://example.org/c.git@{'c' * 40}"),
    ]
    (package,) = found.environments
    assert package.environments == ("build", "host")
    assert (
        str(purl_of(package)) == "pkg:conda/numpy@2.1?build=py312_0"
        "&channel=https://conda.example.org/main&subdir=linux-64&type=tar.bz2"
    )
    assert b"canary" not in make_sbom(found)
    assert b"canary" not in make_statement(found)
    assert make_sbom(found) == make_sbom(materials_of(artifact(), {"license": "Nobody's own"}, RENDERED))
    assert b'"name": "Nobody\'s own"' in make_sbom(found)


def test_a_run_bit_is_no_part_of_a_sha256_and_a_link_has_none() -> None:
    found = {file.name: dict(file.digests) for file in materials_of(artifact(), {}, {}).recipe_files}
    assert found["a.patch"] == found["run.sh"] == {"sha256": SHA256}
    assert found["link"] == {"wvforgeTree": "link:a.patch"}


def test_a_name_that_is_no_text_makes_no_broken_json() -> None:
    assert b"recipe/n?.patch" in make_statement(materials_of(artifact(), {}, {}))


@pytest.mark.parametrize(
    ("path", "shown"), [("../x%zz", "../x%25zz"), ("../a#b#c", "../a#b%23c"), ("../%41#b", "../%41#b")]
)
def test_a_name_that_is_no_uri_is_escaped_in_the_sbom(monkeypatch: pytest.MonkeyPatch, path: str, shown: str) -> None:
    monkeypatch.setitem(PARTS, "recipe", {"source": [{"path": path}]})
    sbom = json.loads(make_sbom(materials_of(artifact(), {}, {})))
    assert [item["url"] for item in sbom["metadata"]["component"]["externalReferences"]] == [shown]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://conda.anaconda.org/conda-forge", "https://conda.anaconda.org/conda-forge"),
        ("https://host/t/token/channel", "https://host/channel"),
        ("https://host/conda/t/token/channel", "https://host/conda/channel"),
        ("https://host/t/token", "https://host"),
        ("https://host/get/linux/t-shirt/a", "https://host/get/linux/t-shirt/a"),
        ("http://u:p@[::1", "..."),
        ("https://u:p@host:8/x?y#z", "https://host:8/x"),
        ("../sources/a.tar.gz", "../sources/a.tar.gz"),
        ("git@example.org:a/b.git", "git@example.org:a/b.git"),
    ],
)
def test_an_address_without_credentials(address: str, shown: str) -> None:
    assert without_credentials(address) == shown


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("file:///srv/forge/output/work/a/all/column", ""),
        ("file:///srv/forge/output/work/a/12.6_3.12/siblings/", ""),
        ("file:///srv/column", "file:column"),
        ("file:///srv/work/channel", "file:channel"),
    ],
)
def test_the_forges_own_packages_name_no_channel_that_only_their_build_saw(address: str, shown: str) -> None:
    rendered = {"finalized_dependencies": {"host": {"resolved": [RESOLVED | {"channel": address}]}}}
    (package,) = materials_of(artifact(), {}, rendered).environments
    assert package.channel == shown
    assert ("channel=" in str(purl_of(package))) == bool(shown)
