"""Sources that cannot be fetched: how often it is tried, and what is said."""

from __future__ import annotations

import hashlib
import io
import socket
import tarfile
from pathlib import Path

from servers.http_server import Fault
from servers.prefix_server import PrefixServer
from small_forge import SmallForge

from orchestration.making import make, why_not_made
from wvforge_dagster.core.failure import FailureClass


def archive(folder: Path) -> str:
    """Write a source archive of many bytes, and give its sha256."""
    with tarfile.open(folder / "a.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo("a/noise")
        member.size = 400_000
        tar.addfile(member, io.BytesIO(bytes(position * 7919 % 251 for position in range(member.size))))
    return hashlib.sha256((folder / "a.tar.gz").read_bytes()).hexdigest()


def from_source(forge: SmallForge, url: str, sha256: str) -> None:
    forge.package("a", more=f"source: {{url: '{url}', sha256: {sha256}}}\n")


def test_an_address_that_does_not_answer_is_tried_as_often_as_the_engine_does_and_not_beyond(
    small_forge: SmallForge,
) -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody_listens.getsockname()[1]}/a.tar.gz"
        from_source(small_forge, url, "0" * 64)
        failed = why_not_made(small_forge, "a").failure
    assert failed.failure_class is FailureClass.FETCH
    assert failed.reason.startswith(f"source {url}: ")
    assert "\n" not in failed.reason
    log = (small_forge.root / "output" / failed.log).read_text()
    assert log.count("Fetching source from url") == 1
    assert log.count("Retry attempt") == 3


def test_a_source_that_was_cut_off_is_fetched_again(small_forge: SmallForge, tmp_path: Path) -> None:
    with PrefixServer(tmp_path / "server", key="none") as server:
        sha256 = archive(server.folder / "forge")
        url = f"{server.root}/forge/a.tar.gz"
        from_source(small_forge, url, sha256)
        server.read_faults.append(Fault(end="cut"))
        made = make(small_forge, "a")
    assert made.outcome == "built"
    gets = [request for request in server.requests if request.path.endswith("a.tar.gz") and request.method == "GET"]
    assert len(gets) > 1
