from __future__ import annotations

from wvforge_dagster.core import test_names as names


def test_tests_are_named_by_kind_and_numbered_where_there_are_several() -> None:
    tests = [{"python": {}}, {"script": []}, {"script": []}, {"package_contents": {}}, {"something": 1}]
    assert names.test_names(tests) == ("python", "script", "script_2", "package_contents", "test")


def test_no_tests_have_no_names() -> None:
    assert names.test_names([]) == ()
