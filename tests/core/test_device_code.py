"""The package check ``architectures``."""

from __future__ import annotations

import pytest

from wvforge_dagster.core.architectures import parse_architecture
from wvforge_dagster.core.device_code import DeviceCode, check_architectures, from_seen, to_seen
from wvforge_dagster.core.findings import Severity

LIBRARY = "lib/libx.so"


def _found(code: DeviceCode, *declared: str) -> list[str]:
    wanted = [parse_architecture(text) for text in declared]
    return [str(finding) for finding in check_architectures({LIBRARY: code}, wanted, {})]


def test_a_library_with_all_that_is_declared_passes() -> None:
    assert _found(DeviceCode(("80", "90"), ("90",)), "8.0", "9.0+PTX") == []


def test_a_missing_one_names_library_and_architecture() -> None:
    assert _found(DeviceCode(("80",), ("80",)), "8.0", "9.0+PTX") == [
        f"{LIBRARY}: has no code for 9.0, no PTX for 9.0, which forge.yaml declares; it has sm_80, PTX 80"
    ]


def test_ptx_alone_is_enough_only_where_that_is_declared() -> None:
    assert _found(DeviceCode((), ("80",)), "8.0-virtual") == []
    assert len(_found(DeviceCode((), ("80",)), "8.0+PTX")) == 1


def test_nothing_declared_finds_nothing() -> None:
    assert _found(DeviceCode(("80",), ())) == []


def test_what_cannot_be_read_is_a_warning() -> None:
    (finding,) = check_architectures({LIBRARY: DeviceCode(fault="no")}, [parse_architecture("8.0")], {})
    assert finding.severity is Severity.WARNING


def test_a_required_package_that_does_not_run_beside_it_is_named() -> None:
    required = {"cumm": {"lib/libcumm.so": DeviceCode(("80",), ())}}
    (finding,) = check_architectures({LIBRARY: DeviceCode(("80", "90"), ())}, [], required)
    assert finding.severity is Severity.WARNING
    assert "code for 9.0, which cumm (lib/libcumm.so)" in str(finding)


@pytest.mark.parametrize(
    ("sass", "ptx", "number", "runs"),
    [
        (("80",), (), "86", True),
        (("86",), (), "80", False),
        (("80",), (), "90", False),
        ((), ("80",), "90", True),
        ((), ("90",), "80", False),
        (("90a",), (), "90", True),
        (("90a",), (), "100", False),
        ((), ("90a",), "100", False),
        (("100f",), (), "103", True),
    ],
)
def test_code_runs_where_nvidias_rule_says(
    sass: tuple[str, ...], ptx: tuple[str, ...], number: str, runs: bool
) -> None:
    assert DeviceCode(sass, ptx).runs_on(number) is runs


def test_what_was_seen_comes_back_from_a_record() -> None:
    libraries = {LIBRARY: DeviceCode(("80",), ("90",)), "lib/y.so": DeviceCode(fault="no")}
    assert from_seen(to_seen(libraries)) == {LIBRARY: libraries[LIBRARY]}
