from __future__ import annotations

from core.values import TARGET, World, output, recipe

from wvforge_dagster.core.classes import PackageClass
from wvforge_dagster.core.recipe import BrokenRecipe
from wvforge_dagster.orchestration.show import Row, counts, graph_lines, markdown, rows


def world() -> World:
    made = World(
        recipe("a"),
        recipe("b", *(output("b", variant={"python": python}, host=["a"]) for python in ("3.11", "3.12"))),
        BrokenRecipe("pkgs/c/recipe.yaml", "c", "pkgs/c/recipe.yaml: a | b"),
    )
    made.build("a")
    made.build("b", "3.12", publish=False)
    return made


def light(package: str) -> PackageClass:
    return PackageClass("light")


def test_a_row_has_the_documented_keys_and_null_where_there_is_nothing() -> None:
    statuses = list(world().statuses().values())
    by_state = {row["state"]: row for row in rows(statuses, light)}
    assert by_state["published"] == {
        "package": "a",
        "partition": None,
        "platform": "linux-64",
        "state": "published",
        "reason": "up to date",
        "filename": "a-1.0-h_0.conda",
        "sha256": statuses[0].artifacts[0].sha256,
        "channel": TARGET,
        "gpu": None,
        "class": "light",
        "class_reason": None,
        "new_release": None,
    }
    staged, missing = by_state["staged"], by_state["missing"]
    assert (staged["partition"], staged["channel"]) == ("3.12", "staging")
    assert (missing["filename"], missing["sha256"], missing["channel"]) == (None, None, None)
    assert {tuple(row) for row in by_state.values()} == {tuple(Row.__annotations__)}


def test_several_outputs_are_joined_by_a_blank() -> None:
    made = World(recipe("m", output("lib"), output("tool")))
    made.build("m")
    (row,) = rows(made.statuses().values(), light)
    assert row["filename"] == "lib-1.0-h_0.conda tool-1.0-h_0.conda"
    assert len((row["sha256"] or "").split()) == 2


def test_markdown_keeps_its_columns_whatever_the_reason_says() -> None:
    lines = markdown(rows(world().statuses().values(), light)).splitlines()
    assert len(lines) == 2 + 4
    assert all(line.replace("\\|", "").count("|") == 7 for line in lines)


def test_states_are_counted_in_one_line() -> None:
    assert counts(world().statuses()) == "1 published, 1 staged, 1 missing, 1 failed"
    assert counts({}) == "no packages"


def test_the_graph_shows_levels_needs_columns_and_faults() -> None:
    assert graph_lines(world().catalog) == [
        "level 0",
        "  a",
        "  c  FAULT pkgs/c/recipe.yaml: a | b",
        "level 1",
        "  b  [2 python]  <- a (host)",
    ]
