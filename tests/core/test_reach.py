"""core.reach: the starts, all that they lead to, each once, and no end without one."""

from __future__ import annotations

from wvforge_dagster.core.reach import reached

NEEDS = {
    "app": ["library", "tool"],
    "library": ["base"],
    "tool": ["base"],
    "base": [],
    "one": ["other"],
    "other": ["one"],
}


def test_the_starts_come_first_and_everything_comes_once() -> None:
    found = list(reached(["tool", "app"], NEEDS.__getitem__))
    assert found[:2] == ["tool", "app"]
    assert sorted(found) == ["app", "base", "library", "tool"]


def test_a_circle_has_an_end() -> None:
    assert set(reached(["one"], NEEDS.__getitem__)) == {"one", "other"}


def test_nothing_leads_to_nothing() -> None:
    assert list(reached([], NEEDS.__getitem__)) == []
