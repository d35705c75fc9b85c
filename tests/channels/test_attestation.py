"""Uploads to prefix.dev as a trusted publisher. The signing itself needs sigstore's servers, which tests do not reach."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from servers.http_server import Fault, HttpServer, send

from channels.conftest import KEY, QUICK, SUBDIRS, Samples
from wvforge_dagster.channels.credentials import Credentials, Identity, read_credentials
from wvforge_dagster.channels.opening import open_channel
from wvforge_dagster.channels.prefix import prefix_service
from wvforge_dagster.channels.remote import Access
from wvforge_dagster.channels.server import ServerChannel
from wvforge_dagster.channels.targets import parse_target
from wvforge_dagster.core.errors import ForgeError

TOKEN = "oidc_canary_0123456789"


class TrustingServer(HttpServer):
    """Gives a job its proof, and takes the proof for a key, as GitHub and prefix.dev do. An upload would be a request, too."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        super().__init__(_Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: TrustingServer

    def log_message(self, *_: object) -> None:
        pass

    def answer(self) -> None:
        self.owner.note(self)
        self.owner.bodies.append(self.rfile.read(int(self.headers.get("content-length") or 0)).decode(errors="replace"))
        if self.path.startswith("/token"):
            send(self, 200, json.dumps({"value": proof()}).encode(), Fault())
        elif self.path == "/api/oidc/mint_token":
            send(self, 200, b"pfx_minted_canary", Fault())
        else:
            send(self, 404, b"", Fault())

    do_GET = do_POST = answer  # noqa: N815


def proof() -> str:
    now = int(time.time())
    claims = {"iss": "https://token.actions.githubusercontent.com", "sub": "repo:a/b", "aud": "sigstore"}
    parts = ({"alg": "RS256", "typ": "JWT"}, {**claims, "iat": now, "nbf": now, "exp": now + 600})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (*parts, {}))


@pytest.fixture
def server() -> Iterator[TrustingServer]:
    with TrustingServer() as running:
        yield running


def attesting(url: str, **credentials: object) -> ServerChannel:
    access = Access(Credentials(**credentials), SUBDIRS, QUICK)  # type: ignore[arg-type]
    return ServerChannel(prefix_service(url, "forge", attestation=True), access)


def why_not(channel: ServerChannel, samples: Samples) -> str:
    with pytest.raises(ForgeError) as caught:
        channel.publish([samples.alpha])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_an_identity_nothing_is_sent_and_one_line_says_what_is_missing(
    server: TrustingServer, samples: Samples
) -> None:
    text = why_not(attesting(server.url, prefix_api_key=KEY), samples)
    assert text == (
        "prefix:forge: attestation needs the identity of a GitHub Actions job, and there is none; "
        "give the job 'permissions: id-token: write', or remove attestation from forge.yaml"
    )
    assert {request.method for request in server.requests} == {"GET"}


def test_the_identity_is_shown_to_no_strange_server() -> None:
    identity = Identity("https://pipelines.example.org/token?x=1", TOKEN)
    credentials = Credentials(identity=identity)
    assert credentials.identity_for("https://prefix.dev") == credentials.identity_for("http://127.0.0.1:8") == identity
    assert credentials.identity_for("https://prefix.dev.example.org") is None
    assert "canary" not in f"{credentials!r} {credentials.redact(TOKEN)}"


def test_the_engine_gets_the_identity_and_no_key_and_writes_nothing_beside_the_package(
    server: TrustingServer, samples: Samples, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Nothing is asked of sigstore itself, and nothing of it kept.
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    before = set(samples.alpha.path.parent.iterdir())
    identity = Identity(f"{server.url}/token?api-version=2.0", TOKEN)
    text = why_not(attesting(server.url, prefix_api_key=KEY, identity=identity), samples)
    asked = [request for request in server.requests if request.path.startswith("/token?api-version=2.0&audience=")]
    assert [request.headers["authorization"] for request in asked] == [f"Bearer {TOKEN}"] * len(asked)
    assert any(request.path == "/api/oidc/mint_token" for request in server.requests)
    assert any(request.path.endswith("=sigstore") for request in asked)
    # What cannot be signed is not uploaded unsigned.
    assert "generate attestation" in text
    assert not [request for request in server.requests if "/upload/" in request.path]
    for secret in (TOKEN, KEY, "pfx_minted_canary"):
        assert secret not in text
    assert set(samples.alpha.path.parent.iterdir()) == before


def test_it_is_a_key_of_a_target_and_of_prefix_only(tmp_path: Path) -> None:
    channel = open_channel(parse_target({"prefix": "forge", "attestation": True}, "x"), tmp_path, Credentials())
    assert isinstance(channel, ServerChannel)
    assert channel._service.arguments == {"channel": "forge", "attestation": "generate"}
    plain = open_channel(parse_target({"prefix": "forge"}, "x"), tmp_path, Credentials())
    assert isinstance(plain, ServerChannel)
    assert "attestation" not in plain._service.arguments
    with pytest.raises(ForgeError, match=r"publish\.0\.attestation: unknown key"):
        parse_target({"quetz": "forge", "url": "https://q.org", "attestation": True}, "forge.yaml: publish.0")


def test_the_identity_is_read_from_what_github_actions_sets() -> None:
    environ = {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://x/?a=1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": TOKEN}
    assert read_credentials(environ).identity == Identity("https://x/?a=1", TOKEN)
    assert read_credentials({**environ, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": ""}).identity is None
