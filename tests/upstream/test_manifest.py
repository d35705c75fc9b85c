"""The manifest: what is read, and which faults are told how."""

from __future__ import annotations

from pathlib import Path

import pytest

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.upstream.manifest import load_manifest

DIGEST = "0" * 64


def fault(tmp_path: Path, text: str) -> str:
    path = tmp_path / "upstream.yaml"
    path.write_text(text)
    with pytest.raises(ForgeError) as caught:
        load_manifest(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wheel: []", "upstream.yaml: wheel: unknown key"),
        (
            "wheels: [{pip: a==1, sha256: {a-1-py3-none-any.whl: abc}}]",
            "wheels[0].sha256.a-1-py3-none-any.whl: ",
        ),
        ("wheels: [{pip: a>=1, sha256: {x: y}}]", "wheels[0].pip: 'a>=1' is wrong: should be NAME==VERSION"),
        ("wheels: [{pip: a==1, sha256: {}}]", "wheels[0].sha256: "),
        (f"wheels: [{{pip: a==1, sha256: {{../a.whl: '{DIGEST}'}}}}]", "wheels[0].sha256.../a.whl"),
        ("interpreters: ['3']", "interpreters[0]: '3' is wrong: should be a Python version such as '3.12'"),
        ("interpreters: [3.12]", "interpreters[0]: 3.12 is wrong: should be a valid string"),
        ("trees: [{name: A b, version: '1'}]", "trees[0].name: "),
        (
            "trees: [{name: a, version: '1', layout: {x/: ../y}}]",
            "must be a path inside the package, without '..'",
        ),
        ("trees: [{name: a, version: '1', write: {/etc/x: y}}]", "trees[0].write"),
        ("compilers: {fortran: gfortran}", "upstream.yaml: compilers.fortran: unknown key"),
        ("- a", "must be a mapping"),
        ("a: [", "malformed YAML"),
        ("", "must be a mapping"),
    ],
)
def test_a_fault_is_one_line_with_file_and_key(tmp_path: Path, text: str, expected: str) -> None:
    said = fault(tmp_path, text)
    assert expected in said
    assert str(tmp_path / "upstream.yaml") in said
    assert "\n" not in said


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ForgeError, match=r"nowhere\.yaml: no such file"):
        load_manifest(tmp_path / "nowhere.yaml")


def test_every_key_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "upstream.yaml"
    path.write_text("{}")
    manifest = load_manifest(path)
    assert manifest.interpreters == manifest.wheels == manifest.trees == manifest.sources == ()
