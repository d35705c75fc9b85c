"""Credentials are read from an environment, found by host, and never shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wvforge_dagster.channels.credentials import (
    AWS_VARIABLES,
    IDENTITY_VARIABLES,
    KEY_VARIABLES,
    AwsKeys,
    Credentials,
    read_credentials,
)
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.settings import BROKER_VARIABLE, POSTGRES_PASSWORD_VARIABLE, SECRETS


def test_they_are_read_from_the_environment_and_empty_means_unset(tmp_path: Path) -> None:
    found = read_credentials({"PREFIX_API_KEY": " key \n", "RATTLER_AUTH_FILE": str(tmp_path), "OTHER": "x"})
    assert found == Credentials(prefix_api_key="key", auth_file=tmp_path)
    assert read_credentials({"PREFIX_API_KEY": "", "RATTLER_AUTH_FILE": ""}) == Credentials()


def test_every_variable_that_holds_a_secret_is_kept_from_builds() -> None:
    of_channels = {*KEY_VARIABLES.values(), *AWS_VARIABLES, *IDENTITY_VARIABLES, "RATTLER_AUTH_FILE"}
    assert of_channels | {BROKER_VARIABLE, POSTGRES_PASSWORD_VARIABLE} == set(SECRETS)


def test_the_keys_of_all_kinds_are_read_and_none_is_shown() -> None:
    environ = {name: f"canary-{name}" for name in (*KEY_VARIABLES.values(), *AWS_VARIABLES)}
    found = read_credentials({**environ, "QUETZ_SERVER_URL": "https://q.org", "ARTIFACTORY_SERVER_URL": ""})
    for kind, name in KEY_VARIABLES.items():
        assert found.secret_for(kind, "http://127.0.0.1:8") == f"canary-{name}"
    assert found.aws == AwsKeys(*(f"canary-{name}" for name in AWS_VARIABLES))
    assert (found.quetz_server, found.artifactory_server) == ("https://q.org", None)
    shown = f"{found!r} {found.redact(' '.join(environ.values()))}"
    assert "canary" not in shown


@pytest.mark.parametrize("place", ["bucket", "s3://bucket", "s3://bucket/a", "s3://bucket/a/b"])
def test_keys_of_s3_are_found_in_an_auth_file_by_bucket_and_by_address(tmp_path: Path, place: str) -> None:
    path = tmp_path / "auth.json"
    keys = {"access_key_id": "id", "secret_access_key": "secret"}
    path.write_text(json.dumps({"s3://other": {"S3Credentials": {}}, place: {"S3Credentials": keys}}))
    assert Credentials(auth_file=path).aws_keys_for("s3://bucket/a/b") == AwsKeys("id", "secret")
    assert Credentials(auth_file=path).aws_keys_for("s3://another/a/b") is None
    with pytest.raises(ForgeError, match="s3://other: the entry lacks 'access_key_id'"):
        Credentials(auth_file=path).aws_keys_for("s3://other/x")


def test_a_representation_never_shows_the_key() -> None:
    credentials = read_credentials({"PREFIX_API_KEY": "canary"})
    assert "canary" not in f"{credentials!r} {credentials!s} {[credentials]}"


@pytest.mark.parametrize("key", ["a\nHost: evil", "a b", "schlüssel"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ForgeError, match="holds characters that no key has") as caught:
        read_credentials({"PREFIX_API_KEY": key})
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("https://prefix.dev", "apex"),
        ("https://repo.prefix.dev/x", "wild"),
        ("https://a.b.example", "near"),
        ("https://c.example", "far"),
        ("https://prefix.dev.evil.org", None),
        ("https://other.org", None),
        ("https://basic.org", None),
    ],
)
def test_a_token_is_found_by_host_as_rattler_matches_it(tmp_path: Path, url: str, token: str | None) -> None:
    path = tmp_path / "auth.json"
    hosts = {"prefix.dev": "apex", "*.prefix.dev": "wild", "*.b.example": "near", "*.example": "far"}
    content: dict[str, object] = {host: {"BearerToken": value} for host, value in hosts.items()}
    path.write_text(json.dumps({**content, "basic.org": {"BasicHTTP": {"username": "u", "password": "p"}}}))
    assert Credentials(auth_file=path).bearer_for(url) == token


def test_the_key_goes_before_the_auth_file(tmp_path: Path) -> None:
    assert Credentials(prefix_api_key="key", auth_file=tmp_path / "none").bearer_for("https://prefix.dev") == "key"
    assert Credentials().bearer_for("https://prefix.dev") is None


@pytest.mark.parametrize("content", [None, "canary", "[]", '["canary"]'])
def test_a_broken_auth_file_is_named_and_not_quoted(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "auth.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ForgeError) as caught:
        Credentials(auth_file=path).bearer_for("https://prefix.dev")
    assert str(path) in str(caught.value)
    assert "canary" not in str(caught.value)


def test_redaction_takes_out_keys_tokens_and_the_signatures_of_addresses(tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    path.write_text('{"x": {"BearerToken": "tok-1"}, "y": {"BasicHTTP": {"username": "name", "password": "pass-2"}}}')
    text = "key-0 tok-1 pass-2 https://u:v@s3.org/a?X-Sig=1&b=2 (https://s3.org/b?c) https://plain.org/d"
    assert Credentials("key-0", path).redact(text) == (
        "*** *** *** https://s3.org/a?*** (https://s3.org/b?***) https://plain.org/d"
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://prefix.dev", True),
        ("https://repo.prefix.dev/forge", True),
        ("http://127.0.0.1:8000", True),
        ("https://prefix.dev.example.org", False),
        ("https://notprefix.dev", False),
        ("https://example.org/prefix.dev", False),
    ],
)
def test_the_key_is_shown_to_prefix_dev_and_to_this_machine_only(url: str, shown: bool) -> None:
    assert (Credentials(prefix_api_key="key").bearer_for(url) == "key") is shown
