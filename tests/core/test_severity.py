"""Severities of the package checks in forge.yaml, and what they make of findings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.failure import FailureClass
from wvforge_dagster.core.findings import (
    MOST_FINDINGS,
    CheckResult,
    Finding,
    Severity,
    blocking,
    failure_of_checks,
    still_blocks,
)
from wvforge_dagster.core.forge_file import load_forge
from wvforge_dagster.core.gate import GateRecord
from wvforge_dagster.core.severity import CHECKS, SomeChecks

SURELY = Finding("is wrong", "a.txt")
PERHAPS = Finding("may be wrong", severity=Severity.WARNING)
RESULTS = tuple(CheckResult(name) for name in CHECKS)


def settings(folder: Path, text: str, package: str = "a") -> dict[str, str]:
    (folder / "forge.yaml").write_text(text)
    return load_forge(folder).checks.of(package)


def fault(folder: Path, text: str) -> str:
    with pytest.raises(ForgeError) as caught:
        settings(folder, text)
    return str(caught.value).removeprefix(f"{folder}/")


def test_severities_are_given_for_all_packages_and_for_some(tmp_path: Path) -> None:
    assert settings(tmp_path, "") == {}
    text = "checks: {size: off, build-paths: error, packages: {a*: {size: warning}, ab: {license: 'off'}}}"
    assert settings(tmp_path, text, "b") == {"size": "off", "build-paths": "error"}
    assert settings(tmp_path, text, "a") == {"size": "warning", "build-paths": "error"}
    assert settings(tmp_path, text, "ab") == {"size": "warning", "build-paths": "error", "license": "off"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "checks: {sizes: off}",
            "forge.yaml: checks.sizes: unknown key; known keys: license, prefix, build-paths, places, ",
        ),
        ("checks: {build_paths: off}", "forge.yaml: checks.build_paths: unknown key; known keys: license, prefix, "),
        (
            "checks: {packages: {a: {x: off}}}",
            "forge.yaml: checks.packages.a.x: unknown key; known keys: license, prefix, ",
        ),
        ("checks: {size: fatal}", "forge.yaml: checks.size: 'fatal' is wrong: should be 'error', 'warning' or 'off'"),
        ("checks: {size: true}", "forge.yaml: checks.size: True is wrong: should be 'error', 'warning' or 'off'"),
    ],
)
def test_a_wrong_severity_or_check_is_named_with_what_is_known(tmp_path: Path, text: str, said: str) -> None:
    assert fault(tmp_path, text).startswith(said)


def test_a_finding_weighs_what_it_says_unless_forge_yaml_says_so() -> None:
    sure, unsure = CheckResult.of("size", [PERHAPS, SURELY]), CheckResult.of("size", [PERHAPS])
    assert sure.findings == (SURELY, PERHAPS)
    assert [result.severity({}) for result in (sure, unsure)] == [Severity.ERROR, Severity.WARNING]
    assert [result.severity({"size": "error"}) for result in (sure, unsure)] == [Severity.ERROR] * 2
    assert [result.severity({"size": "warning"}) for result in (sure, unsure)] == [Severity.WARNING] * 2
    assert [result.severity({"size": "off"}) for result in (sure, unsure)] == [None] * 2
    assert CheckResult("size").severity({"size": "error"}) is None
    assert blocking([sure, unsure, CheckResult("pins", (SURELY,))], {"size": "off"}) == (
        CheckResult("pins", (SURELY,)),
    )


def test_a_result_is_one_line_and_keeps_a_bounded_number_of_findings() -> None:
    assert str(CheckResult.of("size", [PERHAPS, SURELY])) == "check size: a.txt: is wrong (and 1 more)"
    many = CheckResult.of("places", [SURELY] * (MOST_FINDINGS + 5))
    assert (len(many.findings), many.findings[-1].what) == (MOST_FINDINGS + 1, "and 5 more")


def test_a_record_lets_only_its_own_file_pass_and_only_by_all_checks() -> None:
    record = GateRecord("1", "tests", (*RESULTS[:-1], CheckResult(RESULTS[-1].name, (PERHAPS,))))
    assert GateRecord.from_json(record.to_json()) == record
    assert record.lets_pass("1", {})
    assert not record.lets_pass("2", {})
    assert not record.lets_pass("1", {RESULTS[-1].name: "error"})
    assert not GateRecord("1", "tests", RESULTS[1:]).lets_pass("1", {})


def test_a_failure_holds_as_long_as_one_of_its_checks_blocks() -> None:
    failure = failure_of_checks([CheckResult("pins", (SURELY,)), CheckResult("size", (PERHAPS,))])
    assert (failure.failure_class, failure.reason) == (
        FailureClass.CHECK,
        "check pins: a.txt: is wrong; check size: may be wrong",
    )
    assert still_blocks(failure, {})
    assert still_blocks(failure, {"pins": "off", "size": "error"})
    assert not still_blocks(failure, {"pins": "warning"})


def test_the_table_of_checks_is_that_of_the_documents_and_of_forge_yaml() -> None:
    docs = Path(__file__).parents[2] / "docs"
    table = re.findall(r"^\| `([a-z-]+)` \|", (docs / "checks.md").read_text(encoding="utf-8"), re.MULTILINE)
    forge_yaml = (docs / "forge-yaml.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `checks\.(?!packages`)([a-z-]+)` \|", forge_yaml, re.MULTILINE)
    keys = [field.alias for field in SomeChecks.model_fields.values()]
    assert table == rows == keys == list(CHECKS)
