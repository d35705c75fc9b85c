"""A page for people at a channel's address: it disturbs nothing, and nobody else's page is touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from channels.conftest import Samples
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.channels.protocol import Channel
from wvforge_dagster.channels.s3 import S3Channel

OURS = '<!doctype html><meta name="generator" content="wvforge 1"><title>{}</title>'


def test_a_channel_of_every_kind_takes_a_page_and_goes_on_as_before(
    open_channel: Callable[[], Channel], samples: Samples
) -> None:
    channel = open_channel()
    before = channel.publish([samples.alpha, samples.beta])
    channel.put_page(OURS.format("one"))
    channel.put_page(OURS.format("two"))
    assert set(open_channel().entries()) == set(before)
    assert open_channel().verify().findings == ()
    assert len(open_channel().publish([samples.gamma])) == 1


def test_a_folder_has_the_newest_page_readable_by_everyone_and_leaves_an_equal_one_alone(
    tmp_path: Path, samples: Samples
) -> None:
    channel = FolderChannel(tmp_path / "channel")
    channel.publish([samples.alpha])
    page = tmp_path / "channel" / "index.html"
    channel.put_page(OURS.format("one"))
    channel.put_page(OURS.format("two"))
    assert page.read_text(encoding="utf-8") == OURS.format("two")
    assert page.stat().st_mode & 0o777 == 0o644
    written = page.stat().st_ino
    channel.put_page(OURS.format("two"))
    assert page.stat().st_ino == written
    assert {path.name for path in (tmp_path / "channel").iterdir()} <= {"index.html", "noarch", ".wvforge.lock", ".tmp"}


def test_a_folder_that_is_no_channel_yet_gets_no_page(tmp_path: Path) -> None:
    FolderChannel(tmp_path / "channel").put_page(OURS.format("one"))
    assert not (tmp_path / "channel").exists()


def test_a_page_of_somebody_else_in_a_folder_is_left(tmp_path: Path, samples: Samples) -> None:
    channel = FolderChannel(tmp_path / "channel")
    channel.publish([samples.alpha])
    page = tmp_path / "channel" / "index.html"
    page.write_text("mine", encoding="utf-8")
    channel.put_page(OURS.format("one"))
    assert page.read_text(encoding="utf-8") == "mine"


def test_what_a_killed_writer_left_of_a_page_is_found_and_removed(tmp_path: Path, samples: Samples) -> None:
    channel = FolderChannel(tmp_path / "channel")
    channel.publish([samples.alpha])
    left = tmp_path / "channel" / ".wvforge-0123.part"
    left.write_text("half", encoding="utf-8")
    assert [finding.what for finding in channel.verify().findings] == ["was left over by a publisher that ended"]
    channel.publish([samples.gamma])
    assert not left.exists()


def test_a_bucket_has_the_page_as_one_and_leaves_that_of_somebody_else(
    s3: Callable[..., S3Channel], samples: Samples
) -> None:
    channel = s3()
    channel.publish([samples.alpha])
    channel.put_page(OURS.format("one"))
    channel.put_page(OURS.format("two"))
    store = s3()._store
    there = store.read("index.html")
    assert there is not None and there.content.decode() == OURS.format("two")
    told = store.calls.ask("head_object", "index.html")
    assert told is not None and told["ContentType"] == "text/html; charset=utf-8"
    assert store.put("index.html", b"mine", instead_of=there)
    channel.put_page(OURS.format("three"))
    there = store.read("index.html")
    assert there is not None and there.content == b"mine"
