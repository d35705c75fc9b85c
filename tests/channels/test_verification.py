"""What was done to a channel by hand is found and named, and blocks nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from channels.conftest import Samples, open_server_channel
from channels.packages import make_package
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.channels.protocol import Channel
from wvforge_dagster.channels.s3 import S3Channel
from wvforge_dagster.core.package_file import PackageFile


def found(channel: Channel, *, quick: bool = False) -> dict[str, str]:
    """What is wrong, by its place without the channel's label."""
    findings = channel.verify(quick=quick).findings
    return {finding.where.removeprefix(f"{channel.label}/"): finding.what for finding in findings}


def spoil(path: Path) -> None:
    """Other bytes, as many as there were."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


@pytest.fixture
def folder(tmp_path: Path, samples: Samples) -> FolderChannel:
    """A channel of alpha, beta and gamma."""
    channel = FolderChannel(tmp_path / "channel", label="file:channel")
    channel.publish([samples.alpha, samples.beta, samples.gamma])
    return channel


def test_each_file_of_a_folder_that_is_not_as_listed_is_named(
    folder: FolderChannel, samples: Samples, tmp_path: Path
) -> None:
    noarch = folder.path / "noarch"
    spoil(noarch / samples.alpha.filename)
    (folder.path / "linux-64" / samples.beta.filename).unlink()
    (noarch / samples.gamma.filename).write_bytes(b"cut")
    delta = make_package(tmp_path, "delta")
    shutil.copy(delta.path, noarch)
    shutil.copy(delta.path, noarch / "other-1.0-0.conda")
    (noarch / "bad-1.0-0.conda").write_bytes(b"no package")
    (noarch / "old-1.0-0.conda.corrupt").write_bytes(b"no package")
    (noarch / "old-1.0-0.conda.wvforge.json").write_text("{}")
    (noarch / ".wvforge-0.part").write_bytes(b"half")
    (noarch / "index.html").write_text("somebody's own")
    (noarch / "folder-1.0-0.conda").mkdir()
    (noarch / "link-1.0-0.conda").symlink_to("nowhere")
    os.mkfifo(noarch / "pipe-1.0-0.conda")
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    assert found(folder) == {
        f"noarch/{samples.alpha.filename}": found(folder)[f"noarch/{samples.alpha.filename}"],
        f"linux-64/{samples.beta.filename}": "is listed, but not there",
        f"noarch/{samples.gamma.filename}": f"was changed: it has 3 bytes, and the index lists {samples.gamma.size}",
        f"noarch/{delta.filename}": "is not listed",
        "noarch/other-1.0-0.conda": f"is no package of this channel: holds the package {delta.path.stem}",
        "noarch/bad-1.0-0.conda": found(folder)["noarch/bad-1.0-0.conda"],
        "noarch/folder-1.0-0.conda": "is no package of this channel: it is a folder",
        "noarch/link-1.0-0.conda": "is no package of this channel: it is a link that leads nowhere",
        "noarch/pipe-1.0-0.conda": "is no package of this channel: it is a named pipe",
        "noarch/old-1.0-0.conda.corrupt": "was set aside: it is no package",
        "noarch/old-1.0-0.conda.wvforge.json": "is left over: its package is gone",
        "noarch/.wvforge-0.part": "was left over by a publisher that ended",
    }
    assert "was changed: its sha256 is" in found(folder)[f"noarch/{samples.alpha.filename}"]
    assert "is not a conda package" in found(folder)["noarch/bad-1.0-0.conda"]
    assert f"noarch/{samples.alpha.filename}" not in found(folder, quick=True), "sizes say nothing of that"
    assert {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()} == before


def test_an_index_that_cannot_be_read_hides_no_fault_of_another_platform(
    folder: FolderChannel, samples: Samples
) -> None:
    (folder.path / "noarch" / "repodata.json").write_text("{")
    (folder.path / "linux-64" / samples.beta.filename).unlink()
    assert "is not a repodata.json" in found(folder)["noarch/repodata.json"]
    assert found(folder)[f"linux-64/{samples.beta.filename}"] == "is listed, but not there"
    assert folder.reindex() == ()
    assert found(folder) == {}
    assert [entry.name for entry in folder.entries()] == ["alpha", "gamma"]


def test_an_index_without_its_shards_is_out_of_date(folder: FolderChannel) -> None:
    (folder.path / "noarch" / "repodata_shards.msgpack.zst").unlink()
    assert found(folder) == {"noarch/repodata.json": "is newer than its shards, which readers prefer"}


def test_damage_in_a_folder_does_not_keep_other_packages_from_being_published(
    folder: FolderChannel, samples: Samples, tmp_path: Path
) -> None:
    spoil(folder.path / "noarch" / samples.alpha.filename)
    (folder.path / "noarch" / "bad-1.0-0.conda").write_bytes(b"no package")
    delta = make_package(tmp_path, "delta")
    (entry,) = folder.publish([delta])
    assert entry.sha256 == delta.sha256
    assert set(found(folder)) == {f"noarch/{samples.alpha.filename}", "noarch/bad-1.0-0.conda.corrupt"}


def test_a_folder_is_repaired_by_its_index_alone(folder: FolderChannel, samples: Samples, tmp_path: Path) -> None:
    noarch = folder.path / "noarch"
    shutil.copy(samples.alpha_again.path, noarch)
    (noarch / samples.gamma.filename).write_bytes(b"cut")
    delta = make_package(tmp_path, "delta")
    shutil.copy(delta.path, noarch)
    assert folder.reindex() == (str(noarch / f"{samples.gamma.filename}.corrupt"),)
    assert {entry.filename: entry.sha256 for entry in folder.entries()} == {
        samples.alpha.filename: samples.alpha_again.sha256,
        samples.beta.filename: samples.beta.sha256,
        delta.filename: delta.sha256,
    }
    assert set(found(folder)) == {f"noarch/{samples.gamma.filename}.corrupt"}


def test_objects_that_are_not_as_listed_are_named_and_repaired_by_the_index(
    s3: Callable[..., S3Channel], samples: Samples, tmp_path: Path
) -> None:
    channel = s3()
    alpha, beta, gamma = channel.publish([samples.alpha, samples.beta, samples.gamma])
    store = channel._store

    def put(name: str, content: bytes) -> None:
        store.put(name, content, instead_of=store.read(name))

    spoiled = tmp_path / alpha.filename
    shutil.copy(samples.alpha.path, spoiled)
    spoil(spoiled)
    put(f"noarch/{alpha.filename}", spoiled.read_bytes())
    store.remove(f"linux-64/{beta.filename}")
    put("noarch/bad-1.0-0.conda", b"no package")
    delta = make_package(tmp_path, "delta")
    put(f"noarch/{delta.filename}", delta.path.read_bytes())
    assert set(found(s3())) == {
        f"noarch/{alpha.filename}",
        f"linux-64/{beta.filename}",
        "noarch/bad-1.0-0.conda",
        f"noarch/{delta.filename}",
    }
    assert f"noarch/{alpha.filename}" not in found(s3(), quick=True)
    put("noarch/repodata.json", b"{")
    assert "is not a repodata.json" in found(s3())["noarch/repodata.json"]
    assert "noarch/bad-1.0-0.conda" in s3().reindex()
    left = found(s3())
    assert all(name.endswith(".corrupt") for name in left), left
    assert {delta.filename, gamma.filename} <= {entry.filename for entry in s3().entries()}


def test_a_file_that_a_server_lists_and_does_not_have_or_has_otherwise_is_named(
    server: object, samples: Samples
) -> None:
    channel = open_server_channel(server)  # type: ignore[arg-type]
    channel.publish([samples.alpha, samples.beta, samples.gamma])
    forge = server.folder / "forge"  # type: ignore[attr-defined]
    (forge / "noarch" / samples.alpha.filename).unlink()
    spoil(forge / "linux-64" / samples.beta.filename)
    assert set(found(channel)) == {f"noarch/{samples.alpha.filename}", f"linux-64/{samples.beta.filename}"}
    assert set(found(channel, quick=True)) == {f"noarch/{samples.alpha.filename}"}
    assert channel.verify().unchecked == ("files that are not listed: the server does not tell them",)


KILLED_WHILE_REMOVING = """
import os, sys
from pathlib import Path
from wvforge_dagster.channels import folder_removal
from wvforge_dagster.channels.folder import FolderChannel

left = int(sys.argv[2])
write, unlink = folder_removal._write, Path.unlink

def count(real):
    def counted(*arguments, **named):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return real(*arguments, **named)
    return counted

folder_removal._write = count(write)
channel = FolderChannel(Path(sys.argv[1]))
alpha = next(entry for entry in channel.entries() if entry.name == "alpha")
Path.unlink = count(unlink)
channel.remove([alpha])
"""


def test_a_removal_that_is_killed_at_any_step_leaves_no_listed_file_that_is_gone(
    folder: FolderChannel, samples: Samples, tmp_path: Path
) -> None:
    for steps in range(9):
        copy = FolderChannel(tmp_path / str(steps), label="file:copy")
        shutil.copytree(folder.path, copy.path)
        done = subprocess.run([sys.executable, "-c", KILLED_WHILE_REMOVING, str(copy.path), str(steps)], check=False)
        assert set(found(copy).values()) <= {
            "is not listed",
            "is newer than its shards, which readers prefer",
        }
        copy.mend()
        assert found(copy) == {}
        listed = {entry.name for entry in copy.entries()}
        assert {"beta", "gamma"} <= listed
        if done.returncode == 0:
            assert listed == {"beta", "gamma"}
            break
    else:
        raise AssertionError("it was never let to its end")


def test_what_is_removed_from_a_folder_is_gone_and_the_index_stays_readable_for_all(
    folder: FolderChannel, samples: Samples
) -> None:
    alpha = next(entry for entry in folder.entries() if entry.name == "alpha")
    folder.remove([alpha])
    assert not (folder.path / "noarch" / alpha.filename).exists()
    assert (folder.path / "noarch" / "repodata.json").stat().st_mode & 0o777 == 0o644
    assert PackageFile.read(folder.path / "noarch" / samples.gamma.filename, "noarch").sha256 == samples.gamma.sha256
