"""A package is not made of another forge's recipes than its run was planned over."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from small_forge import SmallForge

from wvforge_dagster.orchestration.recipe_files import files_of_recipes
from wvforge_dagster.orchestration.same_forge import digests_of, why_refused


@pytest.fixture
def small_forge(small_forge: SmallForge) -> SmallForge:
    """`b` needs `a`, which has a patch; `c` has nothing to do with them."""
    small_forge.package("a", test="test -f $PREFIX/share/a.txt")
    small_forge.write("pkgs/a/recipe/a.patch", "one")
    small_forge.package("b", host=("a",))
    small_forge.package("c")
    return small_forge


def digests(forge: SmallForge) -> dict[str, str]:
    opened = forge.open()
    return digests_of(opened, files_of_recipes(opened))


def test_two_checkouts_of_one_commit_agree(small_forge: SmallForge) -> None:
    copy = small_forge.root.with_name("elsewhere")
    shutil.copytree(small_forge.root, copy)
    other = SmallForge.__new__(SmallForge)
    other.root = copy
    assert digests(other) == digests(small_forge)


@pytest.mark.parametrize(
    ("change", "others"),
    [
        (lambda forge: forge.edit("a", "echo a", "echo other"), {"a", "b"}),
        (lambda forge: forge.write("pkgs/a/recipe/a.patch", "two"), {"a", "b"}),
        (lambda forge: forge.edit("a", "test -f", "test -r"), {"a", "b"}),
        (lambda forge: forge.edit("b", '"1.0"', '"1.1"'), {"b"}),
        (lambda forge: forge.edit("c", "about", "extra: {wvforge: {gpu-tests: required}}\nabout"), {"c"}),
        (lambda forge: forge.recipe("c", "package: {"), {"c"}),
        (lambda forge: forge.configure(channels=[{"file": "up"}], variants=[]), {"a", "b", "c"}),
    ],
    ids=["script", "file", "test", "version", "own words", "fault", "channels"],
)
def test_what_a_package_is_made_and_tested_of_is_in_its_digest_and_in_those_of_what_needs_it(
    small_forge: SmallForge, change: Callable[[SmallForge], object], others: set[str]
) -> None:
    before = digests(small_forge)
    change(small_forge)
    after = digests(small_forge)
    assert {name for name in before if after[name] != before[name]} == others


def test_what_agrees_or_was_not_planned_is_made() -> None:
    assert why_refused("a", "1", "1") is None
    assert why_refused("a", None, "1") is None
    assert why_refused("a", None, None) is None


@pytest.mark.parametrize(
    ("here", "has"), [("2", "the one here makes it of 2"), (None, "the one here does not have it")]
)
def test_what_differs_is_refused_with_both_forges_and_what_to_do(here: str | None, has: str) -> None:
    why = why_refused("a", "1", here)
    assert why is not None
    assert why.startswith("a: refused on ")
    assert "a forge that makes it of 1, and " in why
    assert has in why
    assert "bring the worker's forge to the commit of the run" in why
    assert "\n" not in why
