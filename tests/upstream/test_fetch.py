"""Fetching pinned files with the real pip."""

from __future__ import annotations

from pathlib import Path

import pytest

from upstream.registry import Registry
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.upstream.fetch import fetch, sha256_of
from wvforge_dagster.upstream.manifest import Pinned

TRAP = {
    "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "hatchling.build"\n',
    "setup.py": "raise SystemExit('the archive was run')\n",
}


def test_a_file_is_fetched_once(registry: Registry, tmp_path: Path) -> None:
    files = registry.wheel("tiny", "1.0", {"tiny.py": ""})
    pinned = Pinned(pip="tiny==1.0", sha256=files)
    [(name, digest)] = files.items()
    path = fetch(pinned, name, tmp_path / "got")
    assert sha256_of(path) == digest
    before = path.stat().st_mtime_ns
    (registry.folder / name).unlink()
    assert fetch(pinned, name, tmp_path / "got") == path
    assert path.stat().st_mtime_ns == before
    assert [p.name for p in (tmp_path / "got").iterdir()] == [name]


def test_another_content_is_refused_and_leaves_nothing(registry: Registry, tmp_path: Path) -> None:
    [name] = registry.wheel("tiny", "1.0", {"tiny.py": ""})
    pinned = Pinned(pip="tiny==1.0", sha256={name: "0" * 64})
    with pytest.raises(ForgeError) as caught:
        fetch(pinned, name, tmp_path / "got")
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "got").iterdir()) == []


def test_a_release_that_is_not_there_is_one_line(registry: Registry, tmp_path: Path) -> None:
    pinned = Pinned(pip="absent==1.0", sha256={"absent-1.0-py3-none-any.whl": "0" * 64})
    with pytest.raises(ForgeError, match=r"pip could not fetch absent==1\.0 \(.+\); check that") as caught:
        fetch(pinned, "absent-1.0-py3-none-any.whl", tmp_path / "got")
    assert "\n" not in str(caught.value)


def test_a_damaged_file_is_fetched_again(registry: Registry, tmp_path: Path) -> None:
    files = registry.wheel("tiny", "1.0", {"tiny.py": ""})
    [(name, digest)] = files.items()
    (tmp_path / "got").mkdir()
    (tmp_path / "got" / name).write_bytes(b"half")
    assert sha256_of(fetch(Pinned(pip="tiny==1.0", sha256=files), name, tmp_path / "got")) == digest


@pytest.mark.parametrize("files", [TRAP, {"setup.py": TRAP["setup.py"]}], ids=["pyproject", "setup.py"])
def test_a_source_archive_is_fetched_without_running_it(
    registry: Registry, tmp_path: Path, files: dict[str, str]
) -> None:
    pins = registry.source("tiny", "1.0", files)
    [(name, digest)] = pins.items()
    assert sha256_of(fetch(Pinned(pip="tiny==1.0", sha256=pins), name, tmp_path / "got")) == digest
