"""The device code in a library, read by NVIDIA's own cuobjdump."""

from __future__ import annotations

from pathlib import Path

import pytest

from build.fat_libraries import PTX, SASS, make_fat_library
from wvforge_dagster.build import device_code
from wvforge_dagster.build.device_code import MISSING, read_device_code
from wvforge_dagster.core.device_code import DeviceCode


def _read(path: Path) -> DeviceCode:
    with path.open("rb") as library:
        return read_device_code(library)


def test_each_architecture_of_code_and_ptx_is_seen(tmp_path: Path) -> None:
    library = make_fat_library(tmp_path / "a.so", [(SASS, 80), (SASS, 86), (SASS, 120), (PTX, 120), (PTX, 80)])
    assert _read(library) == DeviceCode(("120", "80", "86"), ("120", "80"))


def test_a_library_without_device_code_has_none(tmp_path: Path) -> None:
    assert _read(make_fat_library(tmp_path / "a.so", [])) == DeviceCode()


def test_what_is_no_library_is_a_fault_and_no_exception(tmp_path: Path) -> None:
    path = tmp_path / "a.so"
    path.write_bytes(b"\x7fELF" + bytes(range(256)))
    assert _read(path).fault


def test_without_cuobjdump_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_code, "_program", lambda: None)
    library = make_fat_library(tmp_path / "a.so", [(PTX, 80)])
    assert _read(library) == DeviceCode(fault=MISSING)
