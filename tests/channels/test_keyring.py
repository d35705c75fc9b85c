"""Credentials in a keyring, through the real library with a backend of this test's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

from wvforge_dagster.channels.credentials import AwsKeys, Credentials
from wvforge_dagster.core.errors import ForgeError


class Memory(KeyringBackend):
    """A keyring that is gone with the process."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        found = self.entries.get((service, username))
        if found == "locked":
            raise KeyringLocked(found)
        return found

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password


@pytest.fixture
def memory() -> Iterator[Memory]:
    before = keyring.get_keyring()
    keyring.set_keyring(Memory())
    yield keyring.get_keyring()  # type: ignore[misc]
    keyring.set_keyring(before)


def test_a_key_is_found_in_the_keyring_by_host_and_never_shown(memory: Memory) -> None:
    keyring.set_password("rattler", "*.example.org", json.dumps({"BearerToken": "canary-bearer"}))
    found = Credentials()
    assert found.secret_for("prefix", "https://conda.example.org") == "canary-bearer"
    assert found.secret_for("prefix", "https://elsewhere.org") is None
    assert found.secret_for("quetz", "https://conda.example.org") is None
    assert "canary" not in found.redact("refused canary-bearer")


def test_keys_of_s3_are_found_in_the_keyring(memory: Memory) -> None:
    keys = {"access_key_id": "id-canary", "secret_access_key": "secret-canary"}
    keyring.set_password("rattler", "s3://bucket", json.dumps({"S3Credentials": keys}))
    assert Credentials().aws_keys_for("s3://bucket/a") == AwsKeys("id-canary", "secret-canary")
    keyring.set_password("rattler", "s3://half", json.dumps({"S3Credentials": {}}))
    with pytest.raises(ForgeError, match="s3://half: the entry lacks 'access_key_id'"):
        Credentials().aws_keys_for("s3://half/a")


def test_environment_and_auth_file_go_before_the_keyring(memory: Memory, tmp_path: Path) -> None:
    keyring.set_password("rattler", "prefix.dev", json.dumps({"BearerToken": "of the keyring"}))
    (tmp_path / "auth.json").write_text("{}")
    assert Credentials(prefix_api_key="mine").secret_for("prefix", "https://prefix.dev") == "mine"
    assert Credentials(auth_file=tmp_path / "auth.json").secret_for("prefix", "https://prefix.dev") is None


@pytest.mark.parametrize("content", ["locked", "no JSON", "[]"])
def test_a_keyring_that_does_not_tell_is_as_none(memory: Memory, content: str) -> None:
    keyring.set_password("rattler", "prefix.dev", content)
    assert Credentials().secret_for("prefix", "https://prefix.dev") is None
