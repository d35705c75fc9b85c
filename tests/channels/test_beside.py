"""What lies beside packages: in a folder, at the moment that a reader can see it."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.request import urlopen

import pytest
from servers.folder_reader import served

from channels.conftest import Samples
from wvforge_dagster.channels import folder as folder_module
from wvforge_dagster.channels.beside import NOTES, SBOM, STATEMENT, names_beside
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.core.errors import ForgeError


def test_all_names_beside_a_package_are_named() -> None:
    assert names_beside("a-1-0.conda") == (
        "a-1-0.conda.wvforge.json",
        "a-1-0.conda.cdx.json",
        "a-1-0.conda.intoto.json",
    )


def test_documents_are_there_before_the_index_lists_the_package(
    tmp_path: Path, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []
    index = folder_module.FolderChannel._index_unlisted

    def look(channel: FolderChannel) -> None:
        seen.append({path.name for path in (tmp_path / "channel" / "noarch").iterdir()})
        index(channel)

    monkeypatch.setattr(FolderChannel, "_index_unlisted", look)
    FolderChannel(tmp_path / "channel").publish([samples.alpha], {samples.alpha.sha256: {SBOM: b"{}"}})
    assert seen[0] == {samples.alpha.filename, f"{samples.alpha.filename}{SBOM}"}


def test_a_refused_package_leaves_no_document(tmp_path: Path, samples: Samples) -> None:
    channel = FolderChannel(tmp_path / "channel")
    gone = tmp_path / "copy" / samples.alpha.filename
    gone.parent.mkdir()
    gone.write_bytes(samples.alpha.path.read_bytes())
    package = type(samples.alpha).read(gone, "noarch")
    gone.write_bytes(samples.alpha_again.path.read_bytes())
    with pytest.raises(ForgeError, match="changed since it was measured"):
        channel.publish([package], {package.sha256: {SBOM: b"{}"}})
    assert list(channel.path.glob("noarch/alpha*")) == []
    channel.publish([samples.alpha], {samples.alpha.sha256: {SBOM: b"{}"}})
    with pytest.raises(ForgeError, match="is there with other content"):
        channel.publish([samples.alpha_again], {samples.alpha_again.sha256: {SBOM: b"wrong"}})
    assert (channel.path / "noarch" / f"{samples.alpha.filename}{SBOM}").read_bytes() == b"{}"


def test_a_reader_over_http_gets_them_and_reindexing_leaves_them(tmp_path: Path, samples: Samples) -> None:
    channel = FolderChannel(tmp_path / "channel")
    documents = {samples.alpha.sha256: {SBOM: b'{"a": 1}', STATEMENT: b'{"b": 2}'}}
    (entry,) = channel.publish([samples.alpha], documents)
    channel.add_notes(entry, [{"note": 1}])
    assert channel.reindex() == ()
    channel.mend()
    assert channel.entries() == (entry,)
    with served(channel.path) as url:
        found = {}
        for name in names_beside(entry.filename):
            with urlopen(f"{url}noarch/{name}", timeout=10) as answer:
                found[name.removeprefix(entry.filename)] = json.load(answer)
    assert found == {NOTES: {"sha256": entry.sha256, "notes": [{"note": 1}]}, SBOM: {"a": 1}, STATEMENT: {"b": 2}}
