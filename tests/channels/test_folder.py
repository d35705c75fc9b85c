"""What holds for a channel in a folder besides the contract."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import pytest
from servers.folder_reader import read_over_http

from channels.conftest import ABOUT, Samples
from channels.packages import make_package
from wvforge_dagster.channels import folder as folder_module
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.package_file import PackageFile

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "channel"


def put_by_hand(path: Path, package: PackageFile) -> Path:
    target = path / package.subdir / package.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(package.path, target)
    return target


def listed(path: Path) -> dict[str, str]:
    """Filenames and hashes, read without the code under test."""
    found = {}
    for index in path.glob("*/repodata.json"):
        for filename, record in json.loads(index.read_text())["packages.conda"].items():
            found[filename] = record["sha256"]
    return found


def run_publisher(path: Path, packages: list[PackageFile], *, prelude: str = "") -> subprocess.Popen[str]:
    """A process that publishes the packages one by one."""
    code = f"""
import os, signal, sys
from pathlib import Path
from wvforge_dagster.channels import folder, folder_copy, folder_index
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.core.package_file import PackageFile
{prelude}
for file in sys.argv[2:]:
    FolderChannel(Path(sys.argv[1])).publish([PackageFile.read(Path(file), Path(file).parent.name)])
"""
    arguments = [sys.executable, "-c", code, str(path), *(str(package.path) for package in packages)]
    return subprocess.Popen(arguments, cwd=ROOT, text=True, stderr=subprocess.PIPE)


def test_a_new_channel_can_be_read_before_anything_is_published(path: Path) -> None:
    channel = FolderChannel(path)
    channel.create()
    before = (path / "noarch" / "repodata.json").stat().st_mtime_ns
    channel.create()
    assert (path / "noarch" / "repodata.json").stat().st_mtime_ns == before
    assert channel.entries() == ()
    assert channel.url == f"file://{path}"


def test_a_web_server_can_read_everything_whatever_the_umask(path: Path, samples: Samples) -> None:
    process = run_publisher(path, [samples.alpha, samples.beta], prelude="os.umask(0o077)")
    assert process.wait() == 0, process.stderr
    closed = [
        item.relative_to(path)
        for item in [path, *path.rglob("*")]
        if item.name not in (".tmp", ".wvforge.lock") and item.stat().st_mode & (0o755 if item.is_dir() else 0o644) == 0
    ]
    modes = {item.stat().st_mode & 0o777 for item in path.rglob("*.conda")}
    folders = {
        item.stat().st_mode & 0o777 for item in (path, path / "noarch", path / "linux-64", path / "noarch/shards")
    }
    indexes = {item.stat().st_mode & 0o777 for item in path.glob("*/repodata*")}
    assert (closed, modes, folders, indexes) == ([], {0o644}, {0o755}, {0o644})


def test_a_package_that_lies_there_unlisted_is_listed_by_the_next_publish(path: Path, samples: Samples) -> None:
    put_by_hand(path, samples.gamma)
    FolderChannel(path).publish([samples.alpha])
    assert set(listed(path)) == {samples.alpha.filename, samples.gamma.filename}


def test_a_publisher_killed_between_rename_and_index_is_mended_by_the_next(path: Path, samples: Samples) -> None:
    killed = run_publisher(
        path, [samples.alpha], prelude="FolderChannel._index_unlisted = lambda self: os.kill(os.getpid(), 9)"
    )
    assert killed.wait() == -signal.SIGKILL
    assert (path / "noarch" / samples.alpha.filename).exists()
    assert FolderChannel(path).entries() == ()
    FolderChannel(path).publish([samples.alpha])
    assert listed(path) == {samples.alpha.filename: samples.alpha.sha256}


def test_mending_does_what_the_next_publish_would_have_done(path: Path, samples: Samples) -> None:
    FolderChannel(path).mend()
    assert not path.exists()
    killed = run_publisher(
        path, [samples.alpha], prelude="FolderChannel._index_unlisted = lambda self: os.kill(os.getpid(), 9)"
    )
    assert killed.wait() == -signal.SIGKILL
    (path / "noarch" / ".wvforge-1.part").write_text("half a copy")
    (path / ".tmp").mkdir(exist_ok=True)
    (path / ".tmp" / "repodata.json.A1b2C3d4").write_text("half an index")
    FolderChannel(path).mend()
    assert listed(path) == {samples.alpha.filename: samples.alpha.sha256}
    assert [item.name for item in path.rglob("*") if item.name.endswith(".part") or item.parent.name == ".tmp"] == []
    before = (path / "noarch" / "repodata.json").stat().st_mtime_ns
    FolderChannel(path).mend()
    assert (path / "noarch" / "repodata.json").stat().st_mtime_ns == before


@pytest.mark.parametrize("mend", [FolderChannel.mend, lambda channel: channel.publish([])], ids=["mend", "publish"])
def test_an_index_whose_writer_was_killed_before_the_shards_is_the_same_again_for_every_reader(
    path: Path, tmp_path: Path, samples: Samples, mend: Callable[[FolderChannel], object]
) -> None:
    FolderChannel(path).publish([samples.alpha])
    shards = path / "noarch" / "repodata_shards.msgpack.zst"
    shutil.copy2(shards, tmp_path / "old")
    FolderChannel(path).publish([samples.gamma])
    shutil.copy2(tmp_path / "old", shards)
    assert set(read_over_http(path, ["alpha", "gamma"])) == {f"noarch/{samples.alpha.filename}"}
    mend(FolderChannel(path))
    wanted = {f"noarch/{item.filename}": (item.sha256, item.size) for item in (samples.alpha, samples.gamma)}
    assert read_over_http(path, ["alpha", "gamma"]) == wanted


def test_an_unfinished_copy_of_a_killed_publisher_is_removed_by_the_next(path: Path, samples: Samples) -> None:
    killed = run_publisher(
        path, [samples.alpha], prelude="folder_copy.os.fsync = lambda handle: os.kill(os.getpid(), 9)"
    )
    assert killed.wait() == -signal.SIGKILL
    assert len(list(path.glob("*/.wvforge-*.part"))) == 1
    mine = path / "noarch" / ".wvforge.part"
    mine.write_text("not a publisher's")
    FolderChannel(path).publish([samples.gamma])
    assert list(path.glob("*/.wvforge*")) == [mine]
    assert listed(path) == {samples.gamma.filename: samples.gamma.sha256}


def test_a_corrupt_file_put_there_by_hand_is_named_and_set_aside_and_blocks_nothing(
    path: Path, samples: Samples, caplog: pytest.LogCaptureFixture
) -> None:
    FolderChannel(path).create()
    bad = path / "noarch" / "bad-1.0-0.conda"
    bad.write_bytes(b"half a package")
    FolderChannel(path).publish([samples.alpha])
    assert listed(path) == {samples.alpha.filename: samples.alpha.sha256}
    assert (path / "noarch" / "bad-1.0-0.conda.corrupt").read_bytes() == b"half a package"
    assert str(bad) in caplog.text
    bad.write_bytes(b"again")
    assert FolderChannel(path).reindex() == (str(path / "noarch" / "bad-1.0-0.conda.corrupt2"),)


def test_a_corrupt_file_under_the_name_of_a_package_gives_way_to_it(path: Path, samples: Samples) -> None:
    put_by_hand(path, samples.alpha).write_bytes(b"half a package")
    FolderChannel(path).publish([samples.alpha])
    assert listed(path) == {samples.alpha.filename: samples.alpha.sha256}
    assert PackageFile.read(path / "noarch" / samples.alpha.filename, "noarch").sha256 == samples.alpha.sha256


def test_a_package_changed_behind_the_index_is_listed_truly_after_a_reindex(path: Path, samples: Samples) -> None:
    FolderChannel(path).publish([samples.alpha, samples.gamma])
    put_by_hand(path, samples.alpha_again)
    (path / "noarch" / samples.gamma.filename).unlink()
    assert FolderChannel(path).reindex() == ()
    assert listed(path) == {samples.alpha.filename: samples.alpha_again.sha256}


def test_publishing_the_package_that_the_index_lists_wrongly_mends_the_index(path: Path, samples: Samples) -> None:
    FolderChannel(path).publish([samples.alpha])
    put_by_hand(path, samples.alpha_again)
    FolderChannel(path).publish([samples.alpha_again])
    assert listed(path) == {samples.alpha.filename: samples.alpha_again.sha256}


def test_a_package_changed_behind_the_index_is_not_taken_for_published(path: Path, samples: Samples) -> None:
    FolderChannel(path).publish([samples.alpha])
    put_by_hand(path, samples.alpha_again)
    with pytest.raises(ForgeError, match="is there with other content"):
        FolderChannel(path).publish([samples.alpha])


def test_a_listed_package_whose_file_is_gone_is_put_again(path: Path, samples: Samples) -> None:
    FolderChannel(path).publish([samples.alpha])
    (path / "noarch" / samples.alpha.filename).unlink()
    FolderChannel(path).publish([samples.alpha])
    assert (path / "noarch" / samples.alpha.filename).exists()


def test_a_broken_index_is_named_and_the_next_publish_writes_it_anew(path: Path, samples: Samples) -> None:
    FolderChannel(path).publish([samples.alpha])
    index = path / "noarch" / "repodata.json"
    index.write_bytes(index.read_bytes()[:100])
    with pytest.raises(ForgeError, match=r"is not a repodata\.json") as caught:
        FolderChannel(path).entries()
    assert str(index) in str(caught.value)
    FolderChannel(path).publish([samples.gamma])
    assert set(listed(path)) == {samples.alpha.filename, samples.gamma.filename}


def test_foreign_folders_and_files_are_left_alone(path: Path, samples: Samples) -> None:
    (path / "odd").mkdir(parents=True)
    (path / "odd" / "x-1-0.conda").write_text("not ours")
    (path / "noarch").mkdir()
    (path / "noarch" / "notes.txt").write_text("mine")
    (path / "noarch" / "gone-1-0.conda").symlink_to("nowhere")
    FolderChannel(path).publish([samples.alpha])
    assert (path / "odd" / "x-1-0.conda").read_text() == "not ours"
    assert (path / "noarch" / "notes.txt").read_text() == "mine"
    assert set(listed(path)) == {samples.alpha.filename}


def test_a_file_that_is_not_the_listed_one_is_neither_read_nor_fetched(path: Path, samples: Samples) -> None:
    channel = FolderChannel(path)
    (entry,) = channel.publish([samples.alpha])
    (path / "noarch" / entry.filename).write_bytes(b"short")
    with pytest.raises(ForgeError, match="not the file that the index lists"):
        channel.read(entry, ["info/about.json"])
    with pytest.raises(ForgeError, match="not the file that the index lists"):
        channel.fetch(entry, path)
    (path / "noarch" / entry.filename).unlink()
    with pytest.raises(ForgeError, match="cannot be read"):
        channel.read(entry, ["info/about.json"])
    with pytest.raises(ForgeError, match="cannot be read"):
        channel.fetch(entry, path)


def test_notes_are_of_one_file_and_whole(path: Path, samples: Samples) -> None:
    channel = FolderChannel(path)
    (entry,) = channel.publish([samples.alpha])
    channel.add_notes(entry, [{"record": "1"}])
    assert channel.notes(entry) == ({"record": "1"},)
    assert channel.notes(replace(entry, sha256="0" * 64)) == ()
    notes = path / "noarch" / f"{entry.filename}.wvforge.json"
    assert notes.stat().st_mode & 0o777 == 0o644
    notes.write_text("{")
    assert channel.notes(entry) == ()
    channel.reindex()
    assert [found.filename for found in channel.entries()] == [entry.filename]


def test_a_named_pipe_is_not_waited_for(path: Path, samples: Samples) -> None:
    channel = FolderChannel(path)
    (entry,) = channel.publish([samples.alpha])
    os.mkfifo(path / "noarch" / f"{entry.filename}.wvforge.json")
    assert channel.notes(entry) == ()
    index = path / "noarch" / "repodata.json"
    index.unlink()
    os.mkfifo(index)
    with pytest.raises(ForgeError, match=r"repodata\.json: is no file; wvforge channel verify --repair sets it aside"):
        channel.entries()
    assert channel.reindex() == ()
    assert listed(path) == {entry.filename: entry.sha256}
    assert (path / "noarch" / "repodata.json.corrupt").is_fifo()


def a_socket(place: Path) -> None:
    # The address of a socket is short.
    with socket.socket(socket.AF_UNIX) as opened, chdir(place.parent):
        opened.bind(place.name)


NO_FILES = {
    "a named pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a socket": a_socket,
    "a link that leads nowhere": lambda place: place.symlink_to("nowhere"),
}


@pytest.mark.parametrize("what", NO_FILES)
def test_what_is_no_file_and_lies_in_the_place_of_a_package_is_named_and_gives_way(
    path: Path, samples: Samples, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    FolderChannel(path).create()
    place = path / "noarch" / samples.alpha.filename
    NO_FILES[what](place)
    FolderChannel(path).publish([samples.alpha, samples.gamma])
    assert set(listed(path)) == {samples.alpha.filename, samples.gamma.filename}
    assert (place.is_file(), os.path.lexists(f"{place}.corrupt")) == (True, True)
    assert f"{place}: is not a conda package (it is {what}); set aside as" in caplog.text
    (finding,) = FolderChannel(path).verify().findings
    assert (finding.where.rpartition("/")[2], finding.what) == (
        f"{place.name}.corrupt",
        "was set aside: it is no package",
    )


@pytest.mark.parametrize("what", NO_FILES)
def test_what_is_no_file_and_lies_in_the_place_of_a_listed_one_is_named_not_opened_and_put_right(
    path: Path, samples: Samples, what: str
) -> None:
    channel = FolderChannel(path, label="file:c")
    alpha, _ = channel.publish([samples.alpha, samples.gamma])
    place = path / "noarch" / samples.alpha.filename
    place.unlink()
    NO_FILES[what](place)
    (finding,) = channel.verify().findings
    assert str(finding).startswith(f"file:c/noarch/{place.name}: is listed, and in its place is {what}; --repair takes")
    for open_it in (lambda: channel.read(alpha, [ABOUT]), lambda: channel.fetch(alpha, path)):
        with pytest.raises(ForgeError, match=place.name):
            open_it()
    channel.publish([samples.alpha])
    assert {str(finding.what) for finding in channel.verify().findings} <= {"was set aside: it is no package"}
    channel.remove([alpha])
    place.unlink(missing_ok=True)
    assert set(listed(path)) == {samples.gamma.filename}


@pytest.mark.parametrize("name", ["repodata.json.zst", "repodata_shards.msgpack.zst"])
@pytest.mark.parametrize("what", NO_FILES)
def test_what_is_no_file_and_lies_in_the_place_of_an_index_gives_way(
    path: Path, samples: Samples, what: str, name: str
) -> None:
    FolderChannel(path).publish([samples.alpha])
    (path / "noarch" / name).unlink()
    NO_FILES[what](path / "noarch" / name)
    FolderChannel(path).publish([samples.beta])
    FolderChannel(path).reindex()
    assert (path / "noarch" / name).is_file()
    assert set(listed(path)) == {samples.alpha.filename, samples.beta.filename}


def test_a_missing_package_is_named(path: Path, samples: Samples, tmp_path: Path) -> None:
    gone = tmp_path / samples.alpha.filename
    shutil.copy(samples.alpha.path, gone)
    package = PackageFile.read(gone, "noarch")
    gone.unlink()
    with pytest.raises(ForgeError, match="no such file") as caught:
        FolderChannel(path).publish([package])
    assert str(gone) in str(caught.value)


def test_a_folder_that_cannot_be_one_is_an_error_of_one_line(tmp_path: Path, samples: Samples) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ForgeError, match=r"^file:out: cannot be written: Not a directory"):
        FolderChannel(tmp_path / "file", label="file:out").publish([samples.alpha])


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "none", str(disk)], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("left", [0, 4096, 16 * 4096])
def test_a_full_disk_is_one_line_and_leaves_nothing_half_published(
    tiny_disk: Path, samples: Samples, left: int
) -> None:
    channel = FolderChannel(tiny_disk / "channel", label="file:disk")
    channel.create()
    filler = tiny_disk / "filler"
    filler.write_bytes(b"x" * max(shutil.disk_usage(tiny_disk).free - left, 0))
    with pytest.raises(ForgeError, match=r"^file:disk: .*the disk is full; make room and publish again$"):
        channel.publish([samples.alpha, samples.beta])
    assert FolderChannel(channel.path).entries() == ()
    assert list(channel.path.glob("*/*.conda")) == list(channel.path.glob("*/.wvforge*")) == []
    filler.unlink()


def test_a_reader_never_sees_half_an_index(path: Path, samples: Samples, tmp_path: Path) -> None:
    FolderChannel(path).publish([samples.alpha])
    stop = threading.Event()
    read: list[int] = []
    faults: list[Exception] = []

    def read_on() -> None:
        while not stop.is_set():
            try:
                found = json.loads((path / "noarch" / "repodata.json").read_bytes())["packages.conda"]
                read.append(len(found))
                assert all((path / "noarch" / filename).exists() for filename in found)
            except Exception as error:
                faults.append(error)

    reader = threading.Thread(target=read_on)
    reader.start()
    for package in (samples.gamma, *(make_package(tmp_path, f"p{number}") for number in range(4))):
        FolderChannel(path).publish([package])
    stop.set()
    reader.join()
    assert faults == []
    assert read[0] == 1
    assert read == sorted(read)


def test_a_lock_held_too_long_is_an_error(path: Path, samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    FolderChannel(path).create()
    monkeypatch.setattr(folder_module, "LOCK_WAIT_S", 0.1)
    holder = subprocess.Popen(["flock", str(path / ".wvforge.lock"), "sleep", "30"])
    try:
        time.sleep(0.3)
        with pytest.raises(ForgeError, match="another publisher is writing"):
            FolderChannel(path).publish([samples.alpha])
    finally:
        holder.kill()


@pytest.mark.integration
def test_four_publishers_of_ten_packages_each_lose_no_entry(path: Path, tmp_path: Path) -> None:
    packages = [
        make_package(tmp_path / "made", f"p{number}", subdir="linux-64" if number % 3 == 0 else "noarch")
        for number in range(40)
    ]
    publishers = [run_publisher(path, packages[start::4]) for start in range(4)]
    errors = [process.communicate()[1] for process in publishers]
    assert [process.returncode for process in publishers] == [0, 0, 0, 0], errors
    assert listed(path) == {package.filename: package.sha256 for package in packages}


@pytest.mark.integration
def test_a_process_that_ends_right_after_publishing_ends_well(tmp_path: Path, samples: Samples) -> None:
    for number in range(12):
        process = run_publisher(tmp_path / str(number), [samples.alpha])
        errors = process.communicate()[1]
        assert process.returncode == 0, errors


@pytest.mark.integration
def test_publishers_killed_at_any_moment_leave_a_channel_that_the_next_publish_makes_whole(
    path: Path, tmp_path: Path, samples: Samples
) -> None:
    packages = [make_package(tmp_path / "made", f"p{number}") for number in range(20)]
    for number in range(12):
        process = run_publisher(path, packages[number:])
        while not (path / ".wvforge.lock").exists():
            time.sleep(0.01)
        time.sleep(0.35 + 0.013 * number)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        FolderChannel(path).publish([samples.alpha])
        files = {item.name: PackageFile.read(item, "noarch").sha256 for item in path.glob("noarch/*.conda")}
        assert listed(path) == files
        assert not list(path.glob("*/.wvforge-*"))
