"""What the environment says of a farm, and what builds do not learn of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.settings import (
    BROKER_VARIABLE,
    LOST_AFTER_VARIABLE,
    POSTGRES_PASSWORD_VARIABLE,
    broker,
    child_environment,
    lost_after_seconds,
    take_secrets,
)


def test_the_broker_is_what_its_variable_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BROKER_VARIABLE, "redis://:secret@host:6379/0")
    assert broker() == "redis://:secret@host:6379/0"


@pytest.mark.parametrize("value", [None, ""])
def test_a_farm_without_a_broker_is_a_fault_that_says_what_to_give(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv(BROKER_VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(BROKER_VARIABLE, value)
    with pytest.raises(ForgeError, match=r"^WVFORGE_BROKER: is not set; give it .*redis://"):
        broker()


def test_builds_learn_neither_the_broker_nor_the_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = {BROKER_VARIABLE: "b", POSTGRES_PASSWORD_VARIABLE: "p"}
    for name, value in secret.items():
        monkeypatch.setenv(name, value)
    assert not secret.keys() & child_environment(tmp_path, tmp_path).keys()
    with monkeypatch.context() as patch:
        patch.setattr(os, "environ", dict(os.environ))
        assert take_secrets().items() >= secret.items()
        assert not secret.keys() & os.environ.keys()


@pytest.mark.parametrize(("value", "seconds"), [(None, 30), ("", 30), ("4", 4), ("600", 600)])
def test_a_worker_is_waited_for_as_long_as_is_said_else_half_a_minute(
    monkeypatch: pytest.MonkeyPatch, value: str | None, seconds: int
) -> None:
    monkeypatch.delenv(LOST_AFTER_VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(LOST_AFTER_VARIABLE, value)
    assert lost_after_seconds() == seconds


@pytest.mark.parametrize("value", ["0", "-5", "2m", "1.5"])
def test_what_is_no_number_of_seconds_is_not_taken_for_half_a_minute(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv(LOST_AFTER_VARIABLE, value)
    with pytest.raises(ForgeError, match=rf"^WVFORGE_LOST_AFTER: '{value}' is no number of seconds; "):
        lost_after_seconds()
