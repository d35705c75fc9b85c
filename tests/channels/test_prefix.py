"""How a prefix.dev channel meets each fault of a server, and where the key goes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from servers.prefix_server import Fault, PrefixServer

from channels.conftest import KEY, PROVENANCE, QUICK, Samples, provenance
from wvforge_dagster.channels.credentials import Credentials
from wvforge_dagster.channels.patience import Patience
from wvforge_dagster.channels.prefix import prefix_service
from wvforge_dagster.channels.remote import Access
from wvforge_dagster.channels.server import ServerChannel
from wvforge_dagster.core.errors import ForgeError

ROOT = Path(__file__).parents[2]
ONCE = Patience(attempts=1, upload_s=30, reading_s=5, listing_s=3)
Open = Callable[..., ServerChannel]


def failure(channel: ServerChannel, samples: Samples) -> str:
    """The one line of the error that publishing ends in, after nothing was listed."""
    with pytest.raises(ForgeError) as caught:
        channel.publish([samples.alpha])
    text = str(caught.value)
    assert "\n" not in text
    assert KEY not in text
    assert text.startswith("prefix:")
    return text


@pytest.mark.parametrize("status", [400, 401, 403, 413, 422])
def test_an_upload_that_is_refused_is_not_tried_again_and_tells_status_and_words(
    server: PrefixServer, prefix: Open, samples: Samples, status: int
) -> None:
    server.always_upload = Fault(status, "the server's own words")
    text = failure(prefix(), samples)
    assert f"{samples.alpha.filename} was not uploaded: HTTP {status}: the server's own words" in text
    assert len(server.uploads()) == 1
    assert prefix().entries() == ()


def test_a_wrong_key_is_named_as_the_cause(server: PrefixServer, prefix: Open, samples: Samples) -> None:
    text = failure(prefix(key="pfx_wrong"), samples)
    assert "HTTP 401: invalid API key" in text
    assert text.endswith("check the key in PREFIX_API_KEY")
    assert "pfx_wrong" not in text
    assert len(server.uploads()) == 1


def test_no_key_at_all_is_an_error(server: PrefixServer, prefix: Open, samples: Samples) -> None:
    assert "no prefix.dev API key" in failure(prefix(key=None), samples)
    assert server.uploads() == []


def test_a_missing_channel_is_named_as_the_cause(prefix: Open, samples: Samples) -> None:
    text = failure(prefix(channel="nowhere"), samples)
    assert "HTTP 404: channel 'nowhere' not found; create the channel on the server, or mend its name" in text
    assert prefix(channel="nowhere").entries() == ()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_fault_that_passes_is_tried_again(server: PrefixServer, prefix: Open, samples: Samples, status: int) -> None:
    server.upload_faults.append(Fault(status, "later", headers=(("Retry-After", "1"),)))
    (entry,) = prefix().publish([samples.alpha])
    assert entry.sha256 == samples.alpha.sha256
    assert len(server.uploads()) == 2


@pytest.mark.parametrize("status", [429, pytest.param(500, marks=pytest.mark.integration)])
def test_a_fault_that_stays_ends_after_the_attempts_with_status_and_words(
    server: PrefixServer, prefix: Open, samples: Samples, status: int
) -> None:
    server.always_upload = Fault(status, "not today")
    text = failure(prefix(patience=ONCE), samples)
    assert f"HTTP {status}: not today" in text
    assert len(server.uploads()) == 4  # the engine's own tries within one attempt
    assert prefix().entries() == ()


@pytest.mark.parametrize("stored", [False, True], ids=["lost", "arrived"])
def test_a_connection_reset_is_tried_again(server: PrefixServer, prefix: Open, samples: Samples, stored: bool) -> None:
    server.upload_faults.append(Fault(end="reset", stored=stored))
    (entry,) = prefix().publish([samples.alpha])
    assert entry.sha256 == samples.alpha.sha256
    assert len(server.uploads()) == 2


def test_connections_that_always_break_end_after_the_attempts(
    server: PrefixServer, prefix: Open, samples: Samples
) -> None:
    server.always_upload = Fault(end="reset")
    text = failure(prefix(), samples)
    assert "(tried 3 times)" in text
    assert "refused or broke" in text
    assert len(server.uploads()) == 3


def test_a_server_that_is_not_there_is_named_with_the_reason(prefix: Open, samples: Samples) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        text = failure(prefix(url=f"http://127.0.0.1:{free.getsockname()[1]}"), samples)
    assert "connection refused" in text
    assert "(tried 3 times)" in text


def test_a_hanging_upload_ends_at_its_time_limit(server: PrefixServer, prefix: Open, samples: Samples) -> None:
    server.always_upload = Fault(end="hang", stored=True)
    start = time.monotonic()
    text = failure(prefix(patience=Patience(attempts=2, first_pause_s=0.05, upload_s=1.0)), samples)
    assert "(tried 2 times): no answer within 1 s" in text
    assert time.monotonic() - start < 5


def test_a_hanging_upload_that_passes_is_tried_again(server: PrefixServer, prefix: Open, samples: Samples) -> None:
    server.upload_faults.append(Fault(end="hang", stored=True))
    (entry,) = prefix(patience=Patience(attempts=2, first_pause_s=0.05, upload_s=1.0)).publish([samples.alpha])
    assert entry.sha256 == samples.alpha.sha256


def test_a_truncated_answer_counts_by_what_is_listed(server: PrefixServer, prefix: Open, samples: Samples) -> None:
    server.upload_faults.append(Fault(end="cut"))
    (entry,) = prefix().publish([samples.alpha])
    assert entry.sha256 == samples.alpha.sha256


def test_an_answer_of_success_without_the_package_is_not_taken_for_published(
    server: PrefixServer, prefix: Open, samples: Samples
) -> None:
    server.always_upload = Fault(201, "created")
    text = failure(prefix(patience=Patience(listing_s=0.5)), samples)
    assert "is not in its repodata after publishing" in text


def test_a_wrong_hash_read_back_is_not_taken_for_published(
    server: PrefixServer, prefix: Open, samples: Samples
) -> None:
    server.upload_faults.append(Fault(spoil=True))
    text = failure(prefix(), samples)
    assert "is listed with" in text
    assert samples.alpha.filename in text


def test_a_conflict_with_the_same_content_is_a_success(server: PrefixServer, prefix: Open, samples: Samples) -> None:
    server.hidden_for_s = 0.7  # the index, and so the first check, does not show it yet
    server.store("forge", samples.alpha.filename, "noarch", samples.alpha.path.read_bytes())
    (entry,) = prefix().publish([samples.alpha])
    assert entry.sha256 == samples.alpha.sha256
    assert len(server.uploads()) == 1


def test_a_conflict_with_other_content_is_refused(server: PrefixServer, prefix: Open, samples: Samples) -> None:
    server.hidden_for_s = 0.7
    server.store("forge", samples.alpha_again.filename, "noarch", samples.alpha_again.path.read_bytes())
    text = failure(prefix(), samples)
    assert "is there with other content" in text
    assert len(server.uploads()) == 1


def test_an_index_that_shows_the_package_late_is_waited_for(
    server: PrefixServer, prefix: Open, samples: Samples
) -> None:
    server.hidden_for_s = 1.0
    (entry,) = prefix().publish([samples.alpha])
    assert entry.sha256 == samples.alpha.sha256


def test_a_package_that_is_there_is_not_uploaded_again(server: PrefixServer, prefix: Open, samples: Samples) -> None:
    prefix().publish([samples.alpha])
    prefix().publish([samples.alpha, samples.beta])
    assert len(server.uploads()) == 2


@dataclass(frozen=True)
class Reading:
    """A fault of reading that stays, and what is said of it."""

    fault: Fault
    words: str
    tries: int


@pytest.mark.parametrize(
    "case",
    [
        Reading(Fault(401, "private"), "HTTP 401: private; check the key in PREFIX_API_KEY", 1),
        Reading(Fault(403, "not yours"), "HTTP 403: not yours; check the key in PREFIX_API_KEY", 1),
        Reading(Fault(429, "slow down"), "(tried 3 times): HTTP 429: slow down", 3),
        Reading(Fault(503, "down"), "(tried 3 times): HTTP 503: down", 3),
        Reading(Fault(end="reset"), "(tried 3 times): connection reset", 3),
        Reading(Fault(end="cut"), "(tried 3 times): ", 3),
        Reading(Fault(end="hang"), "(tried 3 times): no answer in time", 3),
        Reading(Fault(200, "{}["), "is not a repodata.json", 3),
    ],
    ids=lambda case: f"{case.fault.status or ''}{case.fault.end}",
)
def test_an_index_that_cannot_be_read_is_an_error_and_not_an_empty_channel(
    server: PrefixServer, prefix: Open, case: Reading
) -> None:
    server.always_read = case.fault
    patience = Patience(attempts=3, first_pause_s=0.05, reading_s=0.5)
    with pytest.raises(ForgeError) as caught:
        prefix(patience=patience).entries()
    assert case.words in str(caught.value)
    # Which platform's index fails first is left to chance, and the others are not asked any more then.
    named = re.match(r"prefix:forge: its index of (\S+) ", str(caught.value))
    assert named is not None
    tried = [request for request in server.reads() if request.path.startswith(f"/forge/{named.group(1)}")]
    assert len(tried) == case.tries


def test_a_retry_after_is_honoured_when_reading(server: PrefixServer, prefix: Open) -> None:
    for _ in range(2):
        server.read_faults.append(Fault(429, headers=(("Retry-After", "1"),)))
    start = time.monotonic()
    assert prefix().entries() == ()
    assert 1.0 <= time.monotonic() - start < 3.0


def test_an_index_that_did_not_change_is_not_sent_again(server: PrefixServer, prefix: Open, samples: Samples) -> None:
    channel = prefix()
    channel.publish([samples.alpha])
    first = channel.entries()
    seen = len(server.reads())
    assert channel.entries() == first
    assert all("if-none-match" in request.headers for request in server.reads()[seen:] if "noarch" in request.path)


def test_a_private_channel_is_read_with_the_key(server: PrefixServer, prefix: Open, samples: Samples) -> None:
    server.private = True
    (entry,) = prefix().publish([samples.alpha])
    assert provenance(prefix(), entry) == PROVENANCE
    with pytest.raises(ForgeError, match="HTTP 401: this channel is private"):
        prefix(key=None).entries()


def test_a_file_of_a_package_is_read_without_downloading_the_package(
    server: PrefixServer, prefix: Open, samples: Samples
) -> None:
    (entry,) = prefix().publish([samples.alpha])
    seen = len(server.reads())
    assert provenance(prefix(), entry) == PROVENANCE
    asked = server.reads()[seen:]
    assert asked
    assert all("range" in request.headers for request in asked)


def test_a_package_that_cannot_be_read_is_an_error(
    server: PrefixServer, prefix: Open, samples: Samples, tmp_path: Path
) -> None:
    (entry,) = prefix().publish([samples.alpha])
    server.always_read = Fault(503, "down")
    with pytest.raises(ForgeError, match=r"^prefix:forge: alpha-.* cannot be read \(tried 3 times\): "):
        provenance(prefix(), entry)
    with pytest.raises(ForgeError, match=r"alpha-.* cannot be read \(tried 3 times\): HTTP 503: down"):
        prefix().fetch(entry, tmp_path)


def test_what_is_fetched_is_what_the_index_lists(prefix: Open, samples: Samples, tmp_path: Path) -> None:
    (entry,) = prefix().publish([samples.alpha])
    with pytest.raises(ForgeError, match="is not what its index lists"):
        prefix().fetch(replace(entry, sha256="0" * 64), tmp_path)


def test_the_key_does_not_follow_a_redirect_to_another_place(
    server: PrefixServer, prefix: Open, samples: Samples, tmp_path: Path
) -> None:
    (entry,) = prefix().publish([samples.alpha])
    with PrefixServer(tmp_path / "elsewhere", key="another") as elsewhere:
        elsewhere.store("forge", entry.filename, "noarch", samples.alpha.path.read_bytes())
        server.redirect_reads_to = elsewhere.url
        assert [found.sha256 for found in prefix().entries()] == [entry.sha256]
        assert provenance(prefix(), entry) == PROVENANCE
        assert len(elsewhere.requests) >= 3
        assert all("authorization" not in request.headers for request in elsewhere.requests)


def test_the_token_of_an_auth_file_serves_as_well(server: PrefixServer, samples: Samples, tmp_path: Path) -> None:
    server.private = True
    auth_file = tmp_path / "auth.json"
    auth_file.write_text(f'{{"127.0.0.1": {{"BearerToken": "{KEY}"}}}}')
    access = Access(Credentials(auth_file=auth_file), ("noarch",), QUICK)
    channel = ServerChannel(prefix_service(server.url, "forge"), access)
    assert len(channel.publish([samples.alpha])) == 1


def test_a_key_that_the_server_repeats_is_not_shown(server: PrefixServer, prefix: Open, samples: Samples) -> None:
    server.always_upload = Fault(403, f"the key {KEY} may not; see https://s3.example/x?X-Amz-Signature=abcdef")
    text = failure(prefix(), samples)
    assert "the key *** may not" in text
    assert "abcdef" not in text


def descendants(pid: int) -> list[Path]:
    """The /proc folders of a process's living children, grandchildren and so on."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state = (entry / "stat").read_text(errors="replace")  # a process may name itself in any bytes
        except OSError:
            continue
        if int(state.rpartition(")")[2].split()[1]) == pid and ") Z " not in state:
            found += [entry, *descendants(int(entry.name))]
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_key_is_in_no_command_line_and_no_environment(
    server: PrefixServer, prefix: Open, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFIX_API_KEY", KEY)
    server.always_upload = Fault(end="hang", stored=True)
    channel = prefix(patience=Patience(attempts=1, upload_s=2.0))
    before = descendants(os.getpid())  # servers of other tests

    def publish() -> None:
        with suppress(ForgeError):
            channel.publish([samples.alpha])

    publishing = threading.Thread(target=publish)
    publishing.start()
    while not server.uploads():
        time.sleep(0.02)
    workers = [worker for worker in descendants(os.getpid()) if worker not in before]
    shown = [(worker / name).read_bytes() for worker in workers for name in ("cmdline", "environ")]
    publishing.join()
    assert any(b"upload_worker" in text for text in shown)
    assert all(KEY.encode() not in text for text in shown)
    assert descendants(os.getpid()) == before


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_an_upload_ends_with_its_parent(server: PrefixServer, samples: Samples, tmp_path: Path) -> None:
    server.always_upload = Fault(end="hang", stored=True)
    code = f"""
from pathlib import Path
from wvforge_dagster.channels.credentials import Credentials
from wvforge_dagster.channels.prefix import prefix_service
from wvforge_dagster.channels.remote import Access
from wvforge_dagster.channels.server import ServerChannel
from wvforge_dagster.core.package_file import PackageFile
channel = ServerChannel(prefix_service({server.url!r}, "forge"), Access(Credentials("k"), ("noarch",)))
channel.publish([PackageFile.read(Path({str(samples.alpha.path)!r}), "noarch")])
"""
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    while not server.uploads():
        time.sleep(0.02)
    (worker,) = descendants(parent.pid)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 5
    while (
        worker.exists() and ") Z " not in (worker / "stat").read_text(errors="replace") and time.monotonic() < deadline
    ):
        time.sleep(0.02)
    assert not worker.exists() or ") Z " in (worker / "stat").read_text(errors="replace")
