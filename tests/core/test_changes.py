from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wvforge_dagster.core.changes import Change, changed_tests, describe, input_changes

BASE: dict[str, Any] = {
    "format": 1,
    "recipe": {
        "build": {"script": "make\nmake install\n", "number": 0},
        "requirements": {"host": ["python", "cmake >=3"], "run": []},
        "about": {"summary": "text"},
    },
    "files": {"fix.patch": "aa"},
    "sources": {"../src": "bb"},
    "variant": {"python": "3.12"},
    "platform": "linux-64",
    "local_packages": {"cumm": "0.7.11 " + "c" * 64},
}


def describe_changes(old: dict[str, Any], new: dict[str, Any]) -> str:
    return describe(input_changes(old, new))


def changed(**parts: Any) -> dict[str, Any]:
    return {**BASE, **parts}


def with_recipe(section: str, **values: Any) -> dict[str, Any]:
    recipe = {**BASE["recipe"], section: {**BASE["recipe"][section], **values}}
    return changed(recipe=recipe)


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (changed(files={"fix.patch": "ab"}), "fix.patch: content"),
        (changed(files={"fix.patch": "aa:x"}), "fix.patch: mode"),
        (changed(files={}), "fix.patch: removed"),
        (changed(files={"fix.patch": "aa", "b.sh": "1"}), "b.sh: added"),
        (changed(sources={"../src": "cc"}), "source ../src: content"),
        (
            changed(sources={"../src": "bb", "u@v1": "commit " + "a" * 40}),
            "source u@v1: added",
        ),
        (changed(variant={"python": "3.13"}), "variant.python: 3.12 -> 3.13"),
        (changed(variant={"python": "3.12", "cuda_version": "12.6"}), "variant.cuda_version: none -> 12.6"),
        (changed(local_packages={"cumm": "0.7.11 " + "d" * 64}), "cumm 0.7.11: content cccccccc -> dddddddd"),
        (changed(local_packages={"cumm": "0.7.12 " + "d" * 64}), "cumm: 0.7.11 -> 0.7.12"),
        (
            changed(local_packages={**BASE["local_packages"], "pccm": "0.4 " + "e" * 64}),
            "pccm 0.4: content none -> eeeeeeee",
        ),
        (changed(local_packages={}), "cumm 0.7.11: content cccccccc -> none"),
        (changed(platform="noarch"), "platform: linux-64 -> noarch"),
        (changed(format=2), "record: the way inputs are recorded"),
        (with_recipe("build", number=1), "build.number: 0 -> 1"),
        (with_recipe("build", script="make\nmake -j install\n"), "build.script: line 2"),
        (with_recipe("build", script="make\nmake install\nmore\n"), "build.script: line 3"),
        (with_recipe("requirements", host=["python", "cmake >=4"]), "requirements.host: cmake >=3 -> cmake >=4"),
        (with_recipe("requirements", host=["python"]), "requirements.host: -cmake >=3"),
        (with_recipe("requirements", host=["cmake >=3", "python"]), "requirements.host: order"),
        (with_recipe("about", summary=None), "about.summary: text -> null"),
    ],
)
def test_a_change_is_said_in_words(new: dict[str, Any], words: str) -> None:
    assert describe_changes(BASE, new) == words


def test_three_changes_are_named_and_the_rest_counted() -> None:
    new = changed(files={f"{name}.patch": "1" for name in "abcd"}, platform="noarch")
    assert describe_changes(BASE, new) == "a.patch: added; b.patch: added; c.patch: added and 3 more"


def test_long_values_are_shortened() -> None:
    words = describe_changes(BASE, with_recipe("about", summary="x" * 500))
    assert words.startswith("about.summary: text -> xxx")
    assert len(words) < 100


def test_a_record_of_nothing_says_something() -> None:
    assert describe_changes({}, BASE)
    assert describe_changes(BASE, BASE) == "its inputs changed"


TREE = st.recursive(
    st.none() | st.integers() | st.text(alphabet="ab\n", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(TREE, TREE)
def test_any_two_recipes_that_differ_give_a_reason_of_one_line(old: Any, new: Any) -> None:
    found = [str(change) for change in input_changes({"recipe": {"x": old}}, {"recipe": {"x": new}})]
    assert bool(found) is (old != new)
    assert all("\n" not in item for item in found)


def test_a_moved_tag_shows_both_commits() -> None:
    (change,) = input_changes({"sources": {"u@v1": "commit " + "a" * 40}}, {"sources": {"u@v1": "commit " + "b" * 40}})
    assert str(change) == "source u@v1: commit aaaaaaaaaaaa -> commit bbbbbbbbbbbb"


def test_a_changed_line_is_kept_as_it_was_and_as_it_is() -> None:
    (change,) = input_changes(BASE, with_recipe("build", script="make\nmake -j install\n"))
    assert change == Change("build.script", "line 2", "make install", "make -j install")


def test_changed_tests_are_said_in_words() -> None:
    old = {"tests": [{"script": ["true"]}], "local_packages": {"b": "1.0 " + "c" * 64}}
    new = {"tests": [{"script": ["false"]}], "local_packages": {"b": "1.0 " + "d" * 64}}
    assert [str(change) for change in changed_tests(old, new)] == [
        "tests.script: true -> false",
        "b 1.0: content cccccccc -> dddddddd",
    ]
