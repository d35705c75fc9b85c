"""How channels of each kind of server meet a server's faults. What only prefix.dev does is in test_prefix."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers.anaconda_server import AnacondaServer
from servers.conda_server import CondaServer
from servers.http_server import Fault

from channels.conftest import KEY, PROVENANCE, QUICK, SERVERS, SUBDIRS, Samples, open_server_channel, provenance
from wvforge_dagster.channels.anaconda import anaconda_service
from wvforge_dagster.channels.credentials import KEY_VARIABLES, Credentials
from wvforge_dagster.channels.patience import Patience
from wvforge_dagster.channels.quetz import quetz_service
from wvforge_dagster.channels.redaction import WORDS_READ
from wvforge_dagster.channels.remote import Access
from wvforge_dagster.channels.server import ServerChannel
from wvforge_dagster.core.errors import ForgeError

OTHERS = [kind for kind in SERVERS if kind != "prefix"]
Open = Callable[..., ServerChannel]


@pytest.fixture(params=OTHERS)
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CondaServer]:
    with SERVERS[request.param](tmp_path / "server", key=KEY) as running:
        yield running


def kind_of(server: CondaServer) -> str:
    return next(kind for kind, model in SERVERS.items() if isinstance(server, model))


def failure(channel: ServerChannel, samples: Samples) -> str:
    with pytest.raises(ForgeError) as caught:
        channel.publish([samples.alpha])
    text = str(caught.value)
    assert "\n" not in text
    assert KEY not in text
    assert text.startswith(f"{channel.label}: ")
    return text


@pytest.mark.parametrize("status", [400, 401, 403, 413, 422])
def test_an_upload_that_is_refused_is_not_tried_again_and_tells_status_and_words(
    other: CondaServer, samples: Samples, status: int
) -> None:
    other.always_upload = Fault(status, "the server's own words")
    text = failure(open_server_channel(other), samples)
    assert f"{samples.alpha.filename} was not uploaded: HTTP {status}: " in text
    if not isinstance(other, AnacondaServer):  # the engine does not say them
        assert "the server's own words" in text
    assert len(other.uploads()) == 1
    assert open_server_channel(other).entries() == ()


def test_a_wrong_key_is_named_as_the_cause(other: CondaServer, samples: Samples) -> None:
    text = failure(open_server_channel(other, key="wrong_canary"), samples)
    assert "HTTP 401: " in text
    assert "invalid API key" in text
    assert text.endswith(f"check the key in {KEY_VARIABLES[kind_of(other)]}")
    assert "wrong_canary" not in text


def test_no_key_at_all_is_an_error_that_says_what_to_set(other: CondaServer, samples: Samples) -> None:
    text = failure(open_server_channel(other, key=None), samples)
    assert f"set {KEY_VARIABLES[kind_of(other)]}" in text
    assert other.uploads() == []


def test_a_missing_channel_is_named_as_the_cause(other: CondaServer, samples: Samples) -> None:
    assert "HTTP 404: " in failure(open_server_channel(other, name="nowhere"), samples)
    assert open_server_channel(other, name="nowhere").entries() == ()


def test_nothing_is_removed_from_a_label_of_anaconda_for_it_would_go_from_all() -> None:
    service = anaconda_service("https://api.example", "https://conda.example", "me", "dev")
    with pytest.raises(ForgeError, match=r"anaconda:me/dev: packages are not removed .* from all its labels; take"):
        ServerChannel(service, Access(Credentials(anaconda_api_key=KEY), SUBDIRS)).ensure_removable()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_fault_that_passes_is_tried_again(other: CondaServer, samples: Samples, status: int) -> None:
    other.upload_faults.append(Fault(status, "later"))
    (entry,) = open_server_channel(other).publish([samples.alpha])
    assert entry.sha256 == samples.alpha.sha256
    assert len(other.uploads()) == 2


def test_a_fault_that_stays_ends_after_the_attempts(other: CondaServer, samples: Samples) -> None:
    other.always_upload = Fault(503, "not today")
    text = failure(open_server_channel(other), samples)
    assert "was not uploaded (tried 3 times): HTTP 503: " in text
    assert text.endswith("; try again later")
    assert len(other.uploads()) == 3


@pytest.mark.parametrize("kind", ["quetz", "artifactory"])
def test_a_retry_after_is_honoured(kind: str, samples: Samples, tmp_path: Path) -> None:
    with SERVERS[kind](tmp_path / "server", key=KEY) as server:
        server.upload_faults.append(Fault(429, headers=(("Retry-After", "2"),)))
        open_server_channel(server).publish([samples.alpha])
        first, second = server.uploads()
    assert 2.0 <= second.at - first.at < 5.0


@pytest.mark.parametrize("kind", ["quetz", "artifactory"])
def test_a_retry_after_of_nonsense_is_none(kind: str, samples: Samples, tmp_path: Path) -> None:
    with SERVERS[kind](tmp_path / "server", key=KEY) as server:
        server.upload_faults.append(Fault(503, headers=(("Retry-After", "\u00b2"),)))
        (entry,) = open_server_channel(server).publish([samples.alpha])
    assert entry.sha256 == samples.alpha.sha256


@pytest.mark.parametrize(
    "fault", [Fault(end="reset"), Fault(end="reset", stored=True), Fault(end="cut")], ids=["lost", "arrived", "cut"]
)
def test_a_broken_connection_is_tried_again(other: CondaServer, samples: Samples, fault: Fault) -> None:
    other.upload_faults.append(fault)
    (entry,) = open_server_channel(other).publish([samples.alpha])
    assert entry.sha256 == samples.alpha.sha256


def test_a_hanging_upload_ends_at_its_time_limit(other: CondaServer, samples: Samples) -> None:
    other.always_upload = Fault(end="hang")
    start = time.monotonic()
    patience = Patience(attempts=2, first_pause_s=0.05, upload_s=1.5, reading_s=5, listing_s=1)
    assert "(tried 2 times): no answer within 2 s" in failure(open_server_channel(other, patience=patience), samples)
    assert time.monotonic() - start < 8


def test_a_server_that_is_not_there_is_named_with_the_reason(samples: Samples) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        service = quetz_service(f"http://127.0.0.1:{free.getsockname()[1]}", "forge")
        channel = ServerChannel(service, Access(Credentials(quetz_api_key=KEY), SUBDIRS, QUICK))
        assert "connection refused" in failure(channel, samples)


def test_an_answer_of_success_without_the_package_is_not_taken_for_published(
    other: CondaServer, samples: Samples
) -> None:
    other.hidden_for_s = 60
    channel = open_server_channel(other, patience=Patience(listing_s=0.5))
    assert "is not in its repodata after publishing" in failure(channel, samples)


def test_a_wrong_hash_read_back_is_not_taken_for_published(other: CondaServer, samples: Samples) -> None:
    other.upload_faults.append(Fault(spoil=True))
    assert "is listed with size" in failure(open_server_channel(other), samples)


@pytest.mark.parametrize("equal", [True, False], ids=["equal", "different"])
def test_a_conflict_is_decided_by_what_is_there(other: CondaServer, samples: Samples, equal: bool) -> None:
    there = samples.alpha if equal else samples.alpha_again
    other.hidden_for_s = 1.5  # the index, and so the first check, does not show it yet
    other.store(
        "owner/forge" if kind_of(other) == "cloudsmith" else "forge", there.filename, "noarch", there.path.read_bytes()
    )
    channel = open_server_channel(other)
    if equal:
        assert channel.publish([samples.alpha])[0].sha256 == samples.alpha.sha256
    else:
        assert "is there with other content" in failure(channel, samples)


@pytest.mark.parametrize("status", [403, 503])
def test_a_package_that_anaconda_does_not_let_create_tells_status_and_words(
    tmp_path: Path, samples: Samples, status: int
) -> None:
    with AnacondaServer(tmp_path / "server", key=KEY) as server:
        server.create_fault = Fault(status, "the server's own words")
        text = failure(open_server_channel(server), samples)
    assert f"HTTP {status}: failed to create or update package: the server's own words" in text
    assert ("tried 3 times" in text) is (status == 503)


@pytest.mark.parametrize("kind", ["quetz", "artifactory", "cloudsmith"])
def test_a_private_channel_is_read_with_the_key(kind: str, samples: Samples, tmp_path: Path) -> None:
    with SERVERS[kind](tmp_path / "server", key=KEY) as server:
        server.private = True
        (entry,) = open_server_channel(server).publish([samples.alpha])
        assert provenance(open_server_channel(server), entry) == PROVENANCE
        with pytest.raises(ForgeError, match=f"HTTP 401: .*check the key in {KEY_VARIABLES[kind]}"):
            open_server_channel(server, key=None).entries()


def test_the_key_does_not_follow_a_redirect_to_another_place(
    other: CondaServer, samples: Samples, tmp_path: Path
) -> None:
    (entry,) = open_server_channel(other).publish([samples.alpha])
    with type(other)(tmp_path / "elsewhere", key="another") as elsewhere:
        name = "owner/forge" if kind_of(other) == "cloudsmith" else "forge"
        elsewhere.store(name, entry.filename, "noarch", samples.alpha.path.read_bytes())
        other.redirect_reads_to = elsewhere.root
        assert [found.sha256 for found in open_server_channel(other).entries()] == [entry.sha256]
        assert provenance(open_server_channel(other), entry) == PROVENANCE
        secrets = (KEY, base64.b64encode(f"token:{KEY}".encode()).decode())
        for request in elsewhere.requests:
            assert all(secret not in value for secret in secrets for value in request.headers.values())


def test_a_key_that_the_server_repeats_is_not_shown(other: CondaServer, samples: Samples) -> None:
    shown = base64.b64encode(f"token:{KEY}".encode()).decode()
    other.always_upload = Fault(403, f"the key {KEY} may not; see https://s3.example/x?X-Amz-Signature=abcdef")
    text = failure(open_server_channel(other), samples)
    assert "abcdef" not in text
    other.always_read = Fault(403, f"neither {KEY} nor {shown} may read")
    with pytest.raises(ForgeError, match="may read") as caught:
        open_server_channel(other).entries()
    assert KEY not in str(caught.value)
    assert shown not in str(caught.value) or kind_of(other) != "cloudsmith"


@pytest.mark.parametrize("limit", [300, 400, 600, WORDS_READ])
def test_half_a_key_where_a_servers_words_are_cut_is_not_shown(
    other: CondaServer, samples: Samples, limit: int
) -> None:
    words = " " * (limit - 4 - len(KEY) // 2) + f"key={KEY}" + " and more" * 99
    other.always_upload = other.always_read = Fault(401, words)
    found = []
    with pytest.raises(ForgeError) as caught:
        open_server_channel(other).entries()
    found.append(str(caught.value))
    other.always_read = None
    found.append(failure(open_server_channel(other), samples))
    for text in found:
        assert "HTTP 401" in text
        assert KEY[:6] not in text


@pytest.mark.parametrize("kind", OTHERS)
def test_a_key_goes_to_its_own_servers_only(kind: str, tmp_path: Path) -> None:
    own = {"anaconda": "https://api.anaconda.org", "cloudsmith": "https://api.cloudsmith.io/v1"}
    url = own.get(kind, "https://conda.example.org")
    found = Credentials(quetz_api_key="k", anaconda_api_key="k", artifactory_token="k", cloudsmith_api_key="k")
    assert found.secret_for(kind, url) == ("k" if kind in own else None)
    assert found.secret_for(kind, "https://stranger.example.org") is None
    named = Credentials(
        quetz_api_key="k", artifactory_token="k", quetz_server=url, artifactory_server=f"{url}/artifactory"
    )
    if kind not in own:
        assert named.secret_for(kind, f"{url}/get/forge") == "k"
        assert named.secret_for(kind, "https://stranger.example.org") is None
    entry = "BearerToken" if kind == "artifactory" else "CondaToken"
    (tmp_path / "auth.json").write_text(f'{{"*.example.org": {{"{entry}": "from the file"}}}}')
    assert Credentials(auth_file=tmp_path / "auth.json").secret_for(kind, "https://a.example.org") == "from the file"
