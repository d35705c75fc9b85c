"""What an index says becomes names of files, addresses and bytes in memory: a hostile one is no way to any other."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from servers.http_server import Fault
from servers.moto_server import S3Relay
from servers.prefix_server import PrefixServer

from channels.conftest import Samples
from wvforge_dagster.channels import remote_index, repodata, s3_store
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.channels.protocol import Channel
from wvforge_dagster.channels.repodata import read_repodata
from wvforge_dagster.channels.s3 import S3Channel
from wvforge_dagster.channels.server import ServerChannel
from wvforge_dagster.core.errors import ForgeError

RECORD = {
    "name": "lib",
    "version": "1.0",
    "build": "h_0",
    "build_number": 0,
    "depends": [],
    "size": 5,
    "sha256": "0" * 64,
}
MISNAMED = "lists file names that are not their package's own: "


def index_of(**records: dict[str, Any]) -> bytes:
    return json.dumps({"info": {"subdir": "noarch"}, "packages": {}, "packages.conda": records}).encode()


def relist(content: bytes, old: str, *names: str) -> bytes:
    """An index that has a package's record under other names."""
    index = json.loads(content)
    record = index["packages.conda"].pop(old)
    index["packages.conda"] |= dict.fromkeys(names, record)
    return json.dumps(index).encode()


@pytest.mark.parametrize(
    ("filename", "changed"),
    [
        ("../../lib-1.0-h_0.conda", {}),
        ("/tmp/lib-1.0-h_0.conda", {}),
        ("..\\lib-1.0-h_0.conda", {}),
        ("zzlib-1.0-h_0.conda", {}),
        ("lib-1.0-h_1.conda", {}),
        ("lib-1.0-../../x.conda", {"build": "../../x"}),
        ("a/b-1.0-h_0.conda", {"name": "a/b"}),
        ("lib-1.0-x\0.conda", {"build": "x\0"}),
        ("lib-1.0-x\n.conda", {"build": "x\n"}),
        ("lib-1.0-%2e%2e%2fx.conda", {"build": "%2e%2e%2fx"}),
        ("lib-1.0-x?y#z.conda", {"build": "x?y#z"}),
        (".lib-1.0-h_0.conda", {"name": ".lib"}),
    ],
)
def test_a_file_name_that_is_not_its_packages_own_counts_as_nothing(
    filename: str, changed: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "noarch" / "repodata.json"
    path.parent.mkdir()
    own = [
        {**RECORD},
        {**RECORD, "name": "_x.y-z", "version": "1!2.0rc1+a.b", "build": "py312_cuda12.6_0"},
    ]
    good = {f"{record['name']}-{record['version']}-{record['build']}.conda": record for record in own}
    path.write_bytes(index_of(**good, **{filename: {**RECORD, **changed}}))
    found = read_repodata(path, "noarch", where="here")
    assert {entry.filename for entry in found.entries} == set(good)
    assert found.misnamed == (filename,)
    (finding,) = found.findings("here", "mend it")
    assert str(finding).isprintable()
    with pytest.raises(ForgeError, match=r"'\.\.' is not the name of a platform"):
        read_repodata(path, "..", where="here")


def test_thousands_of_endless_names_are_one_short_finding() -> None:
    finding = str(repodata.Index((), tuple(f"{n}/{'x' * 9999}" for n in range(9999))).findings("here", "mend it")[0])
    assert finding.endswith(" and 9994 more; mend it")
    assert len(finding) < 700


def test_a_folder_that_lists_files_outside_of_it_is_named_loses_none_of_them_and_is_repaired(
    samples: Samples, tmp_path: Path
) -> None:
    channel = FolderChannel(tmp_path / "channel", label="file:channel")
    channel.publish([samples.alpha, samples.gamma])
    victim = tmp_path / "victim" / samples.alpha.filename
    victim.parent.mkdir()
    shutil.copy(samples.alpha.path, victim)
    path = channel.path / "noarch" / "repodata.json"
    name = f"../../victim/{victim.name}"
    path.write_bytes(relist(path.read_bytes(), victim.name, victim.name, name, "../../victim/new-1.0-0.conda"))
    (channel.path / "not a platform").mkdir()
    shutil.copy(path, channel.path / "not a platform")
    assert {entry.filename for entry in channel.entries()} == {samples.alpha.filename, samples.gamma.filename}
    (finding,) = (finding for finding in channel.verify().findings if "is newer than its shards" not in finding.what)
    assert finding.where == "file:channel/noarch/repodata.json"
    assert finding.what == f"{MISNAMED}'{name}', '../../victim/new-1.0-0.conda'"
    assert finding.remedy == "they count as nothing; --repair takes them out of the index"
    channel.remove(channel.entries())
    assert victim.read_bytes() == samples.alpha.path.read_bytes()
    assert [*victim.parent.iterdir()] == [victim]
    path.write_bytes(index_of(**{name: RECORD}))
    channel.reindex()
    assert channel.verify().findings == ()


def test_a_bucket_that_lists_files_outside_of_it_is_named_and_repaired(
    s3: Callable[..., S3Channel], samples: Samples
) -> None:
    store = s3()._store
    (alpha,) = s3().publish([samples.alpha])
    there = store.read("noarch/repodata.json")
    assert there is not None
    store.put("noarch/repodata.json", relist(there.content, alpha.filename, "../../x/y-1.0-0.conda"), instead_of=there)
    assert s3().entries() == ()
    assert MISNAMED in " ".join(finding.what for finding in s3().verify().findings)
    s3().reindex()
    assert (s3().verify().findings, s3().entries()) == ((), (alpha,))


def test_nothing_is_fetched_from_a_server_for_a_name_that_is_no_packages_own(
    server: PrefixServer, prefix: Callable[..., ServerChannel], samples: Samples, tmp_path: Path
) -> None:
    (entry,) = prefix().publish([samples.alpha])
    path = server.folder / "forge" / "noarch" / "repodata.json"
    name = f"/tmp/{samples.alpha.filename}"
    path.write_bytes(relist(path.read_bytes(), entry.filename, name, "zz" + entry.filename))
    channel = prefix()
    assert channel.entries() == ()
    (finding,) = channel.verify().findings
    assert (finding.where, finding.what) == (
        f"{channel.label}/noarch/repodata.json",
        f"{MISNAMED}'{name}', 'zz{entry.filename}'",
    )
    assert finding.remedy == "they count as nothing; whoever runs the server has to mend that"
    assert all(request.path.endswith("/repodata.json") for request in server.reads())


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """What an index may have, for tests that are to go beyond it."""
    for module in (repodata, remote_index, s3_store):
        monkeypatch.setattr(module, "LARGEST_INDEX", 1 << 20)
    yield 1 << 20


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_an_index_that_never_ends_is_not_read_to_its_end_and_not_asked_for_again(
    server: PrefixServer, prefix: Callable[..., ServerChannel], small_limit: int, packed: bool
) -> None:
    content = b" " * (64 * small_limit)
    path = server.folder / "forge" / "noarch" / "repodata.json"
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    server.read_headers = (("Content-Encoding", "gzip"),) if packed else ()
    with pytest.raises(
        ForgeError, match=r"prefix:forge/noarch/repodata\.json: has more than the 1 MiB that an index may have"
    ):
        prefix().entries()
    assert len([request for request in server.reads() if "noarch" in request.path]) == 1


def test_an_index_of_a_folder_or_a_bucket_that_is_too_large_is_not_read(
    s3: Callable[..., S3Channel], small_limit: int, tmp_path: Path
) -> None:
    content = b" " * (small_limit + 1)
    folder = FolderChannel(tmp_path / "channel")
    folder.create()
    (folder.path / "noarch" / "repodata.json").write_bytes(content)
    s3()._store.put("noarch/repodata.json", content, instead_of=None)
    channels: tuple[Channel, ...] = (folder, s3())
    for channel in channels:
        with pytest.raises(ForgeError, match="has more than the "):
            channel.entries()


def test_no_more_of_a_package_is_read_than_its_index_lists(
    server: PrefixServer, prefix: Callable[..., ServerChannel], samples: Samples, tmp_path: Path
) -> None:
    (entry,) = prefix().publish([samples.alpha])
    (server.folder / "forge" / "noarch" / entry.filename).write_bytes(samples.alpha.path.read_bytes() + b"more")
    with pytest.raises(ForgeError, match=f"has more than the {entry.size} bytes that its index lists"):
        prefix().fetch(entry, tmp_path)
    (finding,) = prefix().verify().findings
    assert f"has more than the {entry.size} bytes" in finding.what
    assert not (tmp_path / entry.filename).exists()


def test_no_more_of_an_object_is_read_than_the_index_lists(
    s3: Callable[..., S3Channel], samples: Samples, tmp_path: Path
) -> None:
    (entry,) = s3().publish([samples.alpha])
    store, name = s3()._store, f"noarch/{entry.filename}"
    store.put(name, samples.alpha.path.read_bytes() + b"more", instead_of=store.read(name))
    with pytest.raises(ForgeError, match=f"has more than the {entry.size} bytes"):
        s3().fetch(entry, tmp_path)
    assert not (tmp_path / entry.filename).exists()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(503, "later", headers=(("Retry-After", "\u00b2"),)),
        Fault(503, "later", headers=(("Retry-After", "9" * 5000),)),
        Fault(302, headers=(("Location", "http://[::1"),)),
        Fault(302, headers=(("Location", "\u00ff\u00fe"),)),
        Fault(304, ""),
    ],
    ids=["superscript", "endless", "address", "bytes", "unasked 304"],
)
def test_a_header_of_nonsense_is_an_error_of_one_line_or_passes(
    server: PrefixServer, prefix: Callable[..., ServerChannel], samples: Samples, fault: Fault
) -> None:
    prefix().publish([samples.alpha])
    server.read_faults.append(fault)
    assert len(prefix().entries()) == 1, "what passes is asked again"
    server.always_read = fault
    with pytest.raises(
        ForgeError, match=r"^prefix:forge: its index of .* cannot be read \(tried 3 times\): .*; try again later$"
    ):
        prefix().entries()


def test_a_length_of_nonsense_is_no_length(
    server: PrefixServer, prefix: Callable[..., ServerChannel], samples: Samples, tmp_path: Path
) -> None:
    (entry,) = prefix().publish([samples.alpha])
    server.told_length = "abc"
    assert prefix().verify().findings == ()
    assert prefix().verify(quick=True).findings == ()
    assert prefix().fetch(entry, tmp_path).sha256 == entry.sha256


def test_an_index_of_a_server_that_cannot_be_read_is_not_said_to_be_repaired(
    server: PrefixServer, prefix: Callable[..., ServerChannel]
) -> None:
    (server.folder / "forge" / "noarch" / "repodata.json").write_text("{")
    with pytest.raises(ForgeError, match=r"is not a repodata\.json") as caught:
        prefix().entries()
    assert "--repair" not in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(503, headers=(("Retry-After", "\u00b2"),)), "HTTP 503: NoLuck: no luck"),
        (Fault(200, headers=(("Last-Modified", "never"),)), "its answer cannot be understood: Invalid timestamp"),
        (Fault(200, "{}"), "its answer has no ETag"),
    ],
    ids=["pause", "date", "no etag"],
)
def test_a_header_of_nonsense_from_a_bucket_is_an_error_of_one_line_or_passes(
    relay: S3Relay, s3: Callable[..., S3Channel], fault: Fault, words: str
) -> None:
    s3().publish([])
    relay.read_faults.append(fault)
    assert s3().entries() == ()
    relay.always_read = fault
    with pytest.raises(
        ForgeError, match=rf"^s3:.*/repodata\.json cannot be read \(tried 3 times\): {words}.*; try again later$"
    ):
        s3().entries()
