"""docs/channel-faults.md says what is seen: a part of it that is seen quickly."""

from __future__ import annotations

from pathlib import Path

import pytest

from channels.conftest import Samples
from channels.fault_table import FAULTS, KINDS, TABLE, committed, observe, render

CHEAP = [
    ("file", "409, there with equal content"),
    ("file", "409, there with other content"),
    ("s3", "403"),
    ("s3", "503"),
    ("s3", "409, there with other content"),
    ("prefix", "401"),
    ("quetz", "413"),
    ("quetz", "429"),
    ("anaconda", "403"),
    ("anaconda", "connection reset"),
    ("artifactory", "409, there with other content"),
    ("artifactory", "answer cut short"),
    ("cloudsmith", "404"),
    ("cloudsmith", "other bytes kept: wrong hash read back"),
]


def test_the_table_has_a_cell_for_every_kind_and_fault() -> None:
    cells = committed()
    assert render(cells) == TABLE.read_text(encoding="utf-8")
    assert {key for key in cells if key[1] != "fault" and not key[1].startswith("---")} == {
        (kind, fault) for kind in KINDS for fault in FAULTS
    }


@pytest.mark.parametrize(("kind", "fault"), CHEAP, ids=lambda value: value)
def test_the_table_says_what_is_seen(
    request: pytest.FixtureRequest, kind: str, fault: str, samples: Samples, tmp_path: Path
) -> None:
    moto = request.getfixturevalue("moto") if kind == "s3" else None
    assert observe(kind, fault, samples, tmp_path, moto) == committed()[kind, fault]
