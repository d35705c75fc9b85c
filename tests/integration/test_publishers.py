"""Four publishers at a time lose nothing; benchmarks/publishers.py is the longer form."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.moto_server import MotoServer

from integration.publishers import documents_of, folder_round, make_packages, s3_round, what_is_wrong
from wvforge_dagster.core.package_file import PackageFile

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[list[PackageFile]]:
    return make_packages(tmp_path_factory.mktemp("packages"), 4, 4)


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    if importlib.util.find_spec("moto") is None or importlib.util.find_spec("boto3") is None:
        pytest.skip("moto[server] is not installed")
    with MotoServer() as running:
        yield running


def test_four_publishers_of_one_folder_lose_no_entry_and_corrupt_no_file(
    packages: list[list[PackageFile]], tmp_path: Path
) -> None:
    rounds = [folder_round(tmp_path, packages) for _ in range(2)]
    assert [done.faults for done in rounds] == [(), ()]


def test_four_publishers_of_one_bucket_lose_no_entry_and_corrupt_no_file(
    packages: list[list[PackageFile]], moto: MotoServer
) -> None:
    assert s3_round(moto.url, packages).faults == ()


def test_what_is_lost_corrupt_or_untrue_is_found(packages: list[list[PackageFile]]) -> None:
    """What looks has to be able to find something."""
    own = packages[0][:2]
    files = {f"noarch/{package.filename}": package.path.read_bytes() for package in own}
    files |= {
        f"{name}{ending}": c for name, p in zip(list(files), own, strict=True) for ending, c in documents_of(p).items()
    }
    index = {package.filename: {"sha256": package.sha256, "size": package.size} for package in own}
    files["noarch/repodata.json"] = json.dumps({"packages.conda": index}).encode()
    assert list(what_is_wrong(files, [own])) == []
    first, second = (f"noarch/{package.filename}" for package in own)
    spoiled = {**files, first: b"", f"{second}.cdx.json": b"", "noarch/.wvforge-1.part": b""}
    assert list(what_is_wrong(spoiled, [own])) == [
        f"{first} is corrupt",
        f"{second}.cdx.json is lost or corrupt",
        "noarch/.wvforge-1.part was left",
    ]
    lost = {name: content for name, content in files.items() if name != first}
    lost["noarch/repodata.json"] = json.dumps({"packages.conda": {own[0].filename: index[own[0].filename]}}).encode()
    assert list(what_is_wrong(lost, [own])) == [f"{first} is lost", f"{second} has no entry in the index"]
