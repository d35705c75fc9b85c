"""GPU tests of a recipe, as they are written, and their state."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from wvforge_dagster.core.gpu import GpuRecord, GpuState, GpuTest, digest_of_tests, read_gpu_tests, state_of

PASSED = GpuRecord("s", "t", "", "NVIDIA H100", "580.65.06", "13.0", 1.25, "2026-11-24T12:00:00+00:00")


def test_commands_and_imports_are_read_as_in_tests() -> None:
    extra = {
        "gpu-tests": [
            {"script": ["a", "b"], "requirements": {"run": ["numpy"]}, "files": {"recipe": ["check.py"]}},
            {"script": "c"},
            {"python": {"imports": ["x", "x.y"]}},
        ]
    }
    assert read_gpu_tests(extra) == (
        GpuTest(commands=("a", "b"), requires=("numpy",), files=("check.py",)),
        GpuTest(commands=("c",)),
        GpuTest(imports=("x", "x.y")),
    )


@pytest.mark.parametrize("extra", [None, {}, {"network": False}, "text", {"gpu-tests": []}])
def test_a_recipe_without_any_has_none(extra: Any) -> None:
    assert read_gpu_tests(extra) == ()


@pytest.mark.parametrize(
    ("tests", "what"),
    [
        ("nvidia-smi", "extra.wvforge.gpu-tests should be a list"),
        (["nvidia-smi"], "extra.wvforge.gpu-tests.0 is no test: write {script: [COMMAND, ...]}"),
        ([{"script": ["a"], "python": {"imports": ["b"]}}], "extra.wvforge.gpu-tests.0 is no test"),
        ([{"script": ["a"]}, {"script": []}], "extra.wvforge.gpu-tests.1 tests nothing"),
        ([{"script": [3]}], "extra.wvforge.gpu-tests.0.script should be a list of texts"),
        ([{"script": ["a"], "requirements": ["b"]}], "extra.wvforge.gpu-tests.0.requirements should be {run: [...]}"),
        ([{"script": ["a"], "files": {"source": ["b"]}}], "extra.wvforge.gpu-tests.0.files should be {recipe: [...]}"),
        ([{"script": ["a"], "timeout": 3}], "extra.wvforge.gpu-tests.0.timeout is no key of a GPU test"),
        ([{"python": {}}], "extra.wvforge.gpu-tests.0 tests nothing"),
    ],
)
def test_what_is_none_names_its_place(tests: Any, what: str) -> None:
    with pytest.raises(ValueError, match=re.escape(what)):
        read_gpu_tests({"gpu-tests": tests})


def test_the_digest_is_of_the_tests_and_of_the_files_that_they_name() -> None:
    tests = (GpuTest(commands=("python check.py",), files=("check.py", "data")),)
    files = {"check.py": "1", "data/a": "2", "database": "3"}
    first = digest_of_tests(tests, files)
    assert digest_of_tests(tests, files | {"database": "4"}) == first
    assert digest_of_tests(tests, files | {"data/a": "4"}) != first
    assert digest_of_tests((replace(tests[0], commands=("true",)),), files) != first


def test_the_last_run_of_these_tests_counts() -> None:
    failed = replace(PASSED, reason="no")
    assert state_of([], "t") is GpuState.PENDING
    assert state_of([PASSED], "other") is GpuState.PENDING
    assert state_of([PASSED, failed], "t") is GpuState.FAILED
    assert state_of([failed, PASSED, replace(failed, tests="other")], "t") is GpuState.PASSED


def test_a_record_comes_back_from_its_note() -> None:
    assert GpuRecord.from_json(PASSED.to_json()) == PASSED
