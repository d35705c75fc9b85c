"""A lock among machines, in a folder and in a bucket."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from servers.moto_server import MotoServer

from channels.conftest import AWS
from wvforge_dagster.channels import lease as leases
from wvforge_dagster.channels.credentials import Credentials
from wvforge_dagster.channels.folder_objects import FolderObjects
from wvforge_dagster.channels.lease import Lease, holder_of, is_held, lease
from wvforge_dagster.channels.objects import Objects, StoredObject
from wvforge_dagster.channels.patience import Patience
from wvforge_dagster.channels.s3_calls import S3Place
from wvforge_dagster.channels.s3_store import S3Store
from wvforge_dagster.core.errors import ForgeError, UnreachableError

NAME = ".wvforge/locks/a@all"


@pytest.fixture(params=["folder", "bucket"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    if request.param == "folder":
        return FolderObjects(tmp_path, label="file:shared")
    moto: MotoServer = request.getfixturevalue("moto")
    import boto3

    bucket = f"bucket-{uuid.uuid4().hex[:12]}"
    keys = {"aws_access_key_id": AWS.access_key_id, "aws_secret_access_key": AWS.secret_access_key}
    boto3.client("s3", endpoint_url=moto.url, region_name="us-east-1", **keys).create_bucket(Bucket=bucket)
    place = S3Place(bucket, "farm", moto.url, "us-east-1", True)
    return S3Store(place, credentials=Credentials(aws=AWS), patience=Patience(), label="s3:shared")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "PAUSE_S", 0.05)
    monkeypatch.setattr(leases, "RENEW_S", 0.1)


class Faulty:
    """Objects that do not answer while `silent`."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.silent = False

    def __getattr__(self, name: str) -> Callable[..., object]:
        if self.silent:
            raise UnreachableError("no answer", where="file:shared")
        found: Callable[..., object] = getattr(self.objects, name)
        return found


def test_one_holds_it_and_the_next_gets_it_when_it_is_given_back(objects: Objects) -> None:
    waited: list[str] = []
    with ExitStack() as first:
        held = first.enter_context(lease(objects, NAME, waited.append))
        assert held.is_mine()
        there = objects.read(NAME)
        assert there is not None
        assert holder_of(there)
        assert not objects.put(NAME, b"another", instead_of=None)
    assert holder_of(objects.read(NAME)) is None
    with lease(objects, NAME, waited.append) as next_one:
        assert next_one.is_mine()
        assert not held.is_mine()
    assert waited == []


def test_one_that_was_written_anew_is_not_the_one_that_was_read_before(objects: Objects) -> None:
    with lease(objects, NAME, print) as held:
        before = objects.read(NAME)
        assert objects.put(NAME, held.content(), instead_of=before)
        assert not objects.put(NAME, b"taken over", instead_of=before)
        assert held.is_mine()


def test_giving_back_leaves_the_lease_of_the_one_that_took_it_over(objects: Objects) -> None:
    other = json.dumps({"machine": "other", "lease": "other"}).encode()
    with lease(objects, NAME, print) as held:
        while not objects.put(NAME, other, instead_of=objects.read(NAME)):
            pass
        assert not held.is_mine()
    there = objects.read(NAME)
    assert there is not None
    assert there.content == other


def test_a_place_that_does_not_answer_for_a_while_takes_no_lease_away(objects: Objects) -> None:
    faulty = Faulty(objects)
    with lease(faulty, NAME, print) as held:  # type: ignore[arg-type]
        faulty.silent = True
        time.sleep(0.5)
        faulty.silent = False
        assert held.is_mine()
        before = objects.read(NAME)
        assert before is not None
        deadline = time.monotonic() + 30
        while (now := objects.read(NAME)) is not None and now.content == before.content:
            assert time.monotonic() < deadline, "it is not written anew any more"
            time.sleep(0.05)


def test_one_that_nobody_writes_anew_is_taken_over_also_if_it_is_of_the_future(tmp_path: Path) -> None:
    objects = FolderObjects(tmp_path, label="file:shared")
    for age in (leases.VALID_S + 10, -leases.VALID_S - 1000):
        objects.put(NAME, Lease(objects, NAME, "dead").content(), instead_of=objects.read(NAME))
        then = time.time() - age
        os.utime(tmp_path / NAME, (then, then))
        with lease(objects, NAME, print) as held:
            assert held.is_mine()


@pytest.mark.parametrize("content", [b"", b"[" * 200_000, b"null", b"\xff", b'{"machine": 3}'])
def test_what_is_no_lease_is_nobodys_or_another_machines(content: bytes) -> None:
    found = holder_of(StoredObject(content, "etag", 0.0))
    assert (found is None) == (not content)
    assert is_held(len(content), 0.0) == bool(content)


def test_what_is_no_plain_file_or_a_huge_one_is_no_object_and_is_written_over(tmp_path: Path) -> None:
    objects = FolderObjects(tmp_path, label="file:shared")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/etc/passwd")
    with (tmp_path / "huge").open("wb") as stream:
        stream.truncate(3 << 30)
    for name in ("pipe", "link", "huge"):
        assert objects.read(name) is None
        assert objects.put(name, b"ours", instead_of=None)
        assert (tmp_path / name).read_bytes() == b"ours"
    assert Path("/etc/passwd").stat().st_size > 4


def test_a_folder_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / ".wvforge").symlink_to(tmp_path / "elsewhere")
    objects = FolderObjects(tmp_path / "shared", label="file:shared")
    with pytest.raises(ForgeError, match=r"\.wvforge: is a link, which is not followed; put the folder itself there"):
        objects.put(".wvforge/gate.key", b"key", instead_of=None)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_key_is_for_its_owner_only(tmp_path: Path) -> None:
    FolderObjects(tmp_path, label="file:shared").put(".wvforge/gate.key", b"key", instead_of=None)
    assert (tmp_path / ".wvforge/gate.key").stat().st_mode & 0o777 == 0o600
