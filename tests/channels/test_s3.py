"""How an S3 channel meets each fault of a server, several publishers at a time, and where the keys go."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from servers.http_server import Fault
from servers.moto_server import S3Relay

from channels.conftest import AWS, Samples
from channels.packages import make_package
from wvforge_dagster.channels.credentials import AwsKeys, Credentials, read_credentials
from wvforge_dagster.channels.opening import open_channel as open_target
from wvforge_dagster.channels.patience import Patience
from wvforge_dagster.channels.s3 import S3Channel
from wvforge_dagster.channels.s3_turns import NAME, turn
from wvforge_dagster.channels.targets import FileTarget, S3Target
from wvforge_dagster.core.errors import ForgeError

Open = Callable[..., S3Channel]
SHORT = Patience(attempts=2, first_pause_s=0.05, upload_s=1, reading_s=1, listing_s=1)


def failure(channel: S3Channel, samples: Samples) -> str:
    with pytest.raises(ForgeError) as caught:
        channel.publish([samples.alpha])
    text = str(caught.value)
    assert "\n" not in text
    assert AWS.secret_access_key not in text
    assert text.startswith("s3:bucket-")
    return text


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413])
def test_an_upload_that_is_refused_is_not_tried_again_and_tells_status_and_words(
    relay: S3Relay, s3: Open, samples: Samples, status: int
) -> None:
    relay.always_upload = Fault(status, "the server's own words", headers=(("x-code", "Refused"),))
    assert f"HTTP {status}: Refused: the server's own words" in failure(s3(), samples)
    assert len(relay.uploads()) == 1
    assert s3().entries() == ()


def test_a_missing_bucket_is_named_as_the_cause(s3: Open, samples: Samples) -> None:
    text = failure(s3(bucket="bucket-nowhere"), samples)
    assert "HTTP 404: NoSuchBucket" in text
    assert text.endswith("create the bucket, or mend its name")


@pytest.mark.parametrize("status", [409, 429, 500, 503])
def test_a_fault_that_passes_is_tried_again(relay: S3Relay, s3: Open, samples: Samples, status: int) -> None:
    relay.upload_faults.append(Fault(status, "later"))
    (entry,) = s3().publish([samples.alpha])
    assert entry.sha256 == samples.alpha.sha256
    assert len(relay.uploads()) == 2


@pytest.mark.parametrize("status", [429, 503])
def test_a_fault_that_stays_ends_after_the_attempts(relay: S3Relay, s3: Open, samples: Samples, status: int) -> None:
    relay.always_upload = Fault(status, "not today", headers=(("x-code", "SlowDown"),))
    text = failure(s3(), samples)
    assert f"was not uploaded (tried 3 times): HTTP {status}: SlowDown: not today; try again later" in text
    assert len(relay.uploads()) == 3


def test_a_retry_after_is_honoured(relay: S3Relay, s3: Open, samples: Samples) -> None:
    relay.upload_faults.append(Fault(503, headers=(("Retry-After", "1"),)))
    s3().publish([samples.alpha])
    first, second = relay.uploads()
    assert 1.0 <= second.at - first.at < 3.0


@pytest.mark.parametrize("fault", [Fault(end="reset"), Fault(end="reset", stored=True), Fault(end="cut")])
def test_a_broken_connection_is_tried_again(relay: S3Relay, s3: Open, samples: Samples, fault: Fault) -> None:
    relay.upload_faults.append(fault)
    (entry,) = s3().publish([samples.alpha])
    assert entry.sha256 == samples.alpha.sha256


def test_a_hanging_upload_ends_at_its_time_limit(relay: S3Relay, s3: Open, samples: Samples) -> None:
    relay.always_upload = Fault(end="hang")
    start = time.monotonic()
    assert "was not uploaded (tried 2 times): no answer in time" in failure(s3(patience=SHORT), samples)
    assert time.monotonic() - start < 6


def test_a_server_that_is_not_there_is_an_error(s3: Open, samples: Samples) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        text = failure(s3(url=f"http://127.0.0.1:{free.getsockname()[1]}"), samples)
    assert "(tried 3 times)" in text
    assert "Could not connect" in text


def test_a_wrong_hash_read_back_is_not_taken_for_published(relay: S3Relay, s3: Open, samples: Samples) -> None:
    relay.upload_faults.append(Fault(spoil=True))
    assert "is listed with size" in failure(s3(), samples)


def test_an_object_that_no_index_lists_is_never_overwritten(relay: S3Relay, s3: Open, samples: Samples) -> None:
    store = s3()._store
    name = f"noarch/{samples.alpha.filename}"
    assert store.put(name, samples.alpha_again.path.read_bytes(), instead_of=None)
    assert "is there with other content" in failure(s3(), samples)
    assert store.sha256(name) == samples.alpha_again.sha256
    # With the same content it counts, and is listed.
    other = s3()
    assert other._store.put(f"noarch/{samples.gamma.filename}", samples.gamma.path.read_bytes(), instead_of=None)
    assert [entry.name for entry in other.publish([samples.gamma])] == ["gamma"]
    assert len(relay.uploads()) == 2


def test_an_object_that_appears_during_the_upload_decides_by_its_content(
    s3: Open, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(S3Channel, "_holds", lambda *_: False)
    store = s3()._store
    assert store.put(f"noarch/{samples.alpha.filename}", samples.alpha_again.path.read_bytes(), instead_of=None)
    with pytest.raises(ForgeError, match="is listed with"):
        s3().publish([samples.alpha])
    assert store.sha256(f"noarch/{samples.alpha.filename}") == samples.alpha_again.sha256


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_an_index_that_cannot_be_read_is_an_error_and_not_an_empty_channel(
    relay: S3Relay, s3: Open, status: int
) -> None:
    relay.always_read = Fault(status, "no")
    with pytest.raises(ForgeError, match=f"HTTP {status}"):
        s3().entries()


@pytest.mark.parametrize("end", ["reset", "cut", "hang"])
def test_a_broken_read_is_tried_again(relay: S3Relay, s3: Open, samples: Samples, end: str) -> None:
    s3().publish([samples.alpha])
    relay.read_faults.append(Fault(end=end))
    assert [entry.name for entry in s3(patience=SHORT).entries()] == ["alpha"]


@pytest.mark.parametrize("fault", [Fault(503, "down"), Fault(end="reset")])
def test_an_index_that_is_not_written_once_is_written_then(
    relay: S3Relay, s3: Open, samples: Samples, fault: Fault
) -> None:
    relay.index_faults.extend([fault] * 4)
    assert [entry.name for entry in s3().publish([samples.alpha])] == ["alpha"]


@pytest.mark.parametrize("status", [403, 503])
def test_an_index_that_cannot_be_written_is_an_error_with_status_and_words(
    relay: S3Relay, s3: Open, samples: Samples, status: int
) -> None:
    relay.always_index = Fault(status, "the server's own words")
    text = failure(s3(patience=Patience(attempts=1, upload_s=30, reading_s=5, listing_s=1)), samples)
    assert f"its index of noarch was not written: HTTP {status}: NoLuck: the server's own words; " in text
    # The next publisher lists what was put.
    relay.always_index = None
    assert [entry.name for entry in s3().publish([samples.gamma])] == ["gamma"]
    assert [entry.name for entry in s3().entries()] == ["alpha", "gamma"]


def test_an_index_that_hangs_ends_at_its_time_limit(relay: S3Relay, s3: Open, samples: Samples) -> None:
    relay.always_index = Fault(end="hang")
    start = time.monotonic()
    text = failure(s3(patience=Patience(attempts=2, first_pause_s=0.05, upload_s=2, reading_s=5, listing_s=1)), samples)
    assert "its index of noarch was not written (tried 2 times): no index within 2 s" in text
    assert time.monotonic() - start < 10


def test_an_object_that_is_no_package_is_set_aside_and_blocks_nothing(s3: Open, samples: Samples) -> None:
    channel = s3()
    assert channel._store.put("noarch/bad-1.0-0.conda", b"no package", instead_of=None)
    assert [entry.name for entry in channel.publish([samples.alpha])] == ["alpha"]
    names = channel._store.names("noarch")
    assert "bad-1.0-0.conda.corrupt" in names
    assert "bad-1.0-0.conda" not in names


@pytest.mark.parametrize("turns", [True, False], ids=["taking turns", "without turns"])
def test_publishers_at_a_time_lose_no_entry(
    s3: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turns: bool
) -> None:
    patience = Patience(attempts=4, first_pause_s=0.1, upload_s=60, reading_s=20, listing_s=60)
    packages = [[make_package(tmp_path / str(who), f"p{who}{number}") for number in range(3)] for who in range(2)]
    if not turns:
        monkeypatch.setattr("wvforge_dagster.channels.s3_turns.S3Store.remove", lambda *_: None)
        s3()._store.put(NAME, b"someone else's", instead_of=None)
        monkeypatch.setattr(
            "wvforge_dagster.channels.s3.turn", lambda *_, **__: turn(s3()._store, wait_s=0, valid_s=999)
        )
    faults: list[BaseException] = []

    def publish(own: list[object]) -> None:
        channel = s3(patience=patience)
        try:
            for package in own:
                channel.publish([package])  # type: ignore[list-item]
        except BaseException as fault:  # told below
            faults.append(fault)

    publishers = [threading.Thread(target=publish, args=(own,)) for own in packages]
    for publisher in publishers:
        publisher.start()
    for publisher in publishers:
        publisher.join()
    assert faults == []
    listed = {(entry.filename, entry.sha256) for entry in s3().entries()}
    assert listed == {(package.filename, package.sha256) for own in packages for package in own}


def test_a_turn_that_was_left_behind_is_taken_over_when_it_is_old(s3: Open) -> None:
    store = s3()._store
    store.put(NAME, b"of one that died", instead_of=None)
    time.sleep(1.1)
    with turn(store, wait_s=5, valid_s=0.5):
        held = store.read(NAME)
        assert held is not None
        assert held.content != b"of one that died"
        start = time.monotonic()
        with turn(store, wait_s=0.3, valid_s=60):  # waits, then goes on
            assert time.monotonic() - start >= 0.3
        still = store.read(NAME)
        assert still is not None
        assert still.content == held.content
    assert store.read(NAME) is None


def test_notes_of_two_writers_are_kept(s3: Open, samples: Samples) -> None:
    (entry,) = s3().publish([samples.alpha])
    writers = [threading.Thread(target=s3().add_notes, args=(entry, [{"by": number}])) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(note["by"] for note in s3().notes(entry)) == [0, 1, 2, 3]


def test_the_keys_of_an_auth_file_serve_as_well(s3: Open, samples: Samples, tmp_path: Path) -> None:
    auth_file = tmp_path / "auth.json"
    keys = {"access_key_id": AWS.access_key_id, "secret_access_key": AWS.secret_access_key, "session_token": None}
    auth_file.write_text(json.dumps({s3().url.rsplit("/", 1)[0]: {"S3Credentials": keys}}))
    channel = s3(credentials=Credentials(auth_file=auth_file))
    assert len(channel.publish([samples.alpha])) == 1
    assert channel._store.calls.keys() == AWS


def test_the_standard_files_serve_as_well(
    s3: Open, samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "credentials"
    path.write_text(f"[default]\naws_access_key_id = {AWS.access_key_id}\naws_secret_access_key = other\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    channel = s3(credentials=Credentials())
    assert len(channel.publish([samples.alpha])) == 1
    assert channel._store.calls.keys() == AwsKeys(AWS.access_key_id, "other")


def test_no_keys_at_all_is_an_error_that_says_where_they_come_from(s3: Open, samples: Samples) -> None:
    text = failure(s3(credentials=Credentials()), samples)
    assert "no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in text


def test_half_a_pair_of_keys_is_an_error() -> None:
    half = read_credentials({"AWS_ACCESS_KEY_ID": "x"})
    with pytest.raises(ForgeError, match="AWS_SECRET_ACCESS_KEY: is not set, but its other half is"):
        open_target(S3Target(s3="bucket"), Path(), half)
    open_target(FileTarget(file="out"), Path(), half)


def test_keys_are_never_shown(relay: S3Relay, s3: Open, samples: Samples) -> None:
    keys = AwsKeys("AKID", "secret_canary", "token_canary")
    credentials = Credentials(aws=keys)
    assert "canary" not in repr(credentials)
    relay.always_upload = Fault(403, "SignatureDoesNotMatch secret_canary token_canary https://x/y?X-Amz-Signature=abc")
    with pytest.raises(ForgeError) as caught:
        s3(credentials=credentials).publish([samples.alpha])
    assert "canary" not in str(caught.value)
    assert "abc" not in str(caught.value)


def test_half_a_key_where_a_servers_words_are_cut_is_not_shown(relay: S3Relay, s3: Open, samples: Samples) -> None:
    secret = AWS.secret_access_key
    relay.always_upload = Fault(403, "x" * (300 - len(secret) // 2) + f"{secret} may not")
    assert secret[:6] not in failure(s3(), samples)
