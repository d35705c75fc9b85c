from __future__ import annotations

import pytest

from core.values import output, recipe
from wvforge_dagster.core.recipe import name_from_path


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("pkgs/cumm/recipe/recipe.yaml", "cumm"),
        ("pkgs/cumm/recipe.yaml", "cumm"),
        ("recipe/recipe.yaml", "recipe"),
        ("cumm/recipe.yaml", "cumm"),
    ],
)
def test_the_place_of_a_recipe_suggests_its_name(path: str, name: str) -> None:
    assert name_from_path(path) == name


def test_requirements_are_asked_by_section() -> None:
    made = output("a", build=["cmake >=3"], host=["python", "b"], run=["c"], test=["pytest"])
    assert made.requires() == {"cmake", "python", "b", "c", "pytest"}
    assert made.requires("build", "host") == {"cmake", "python", "b"}


def test_output_names_come_once_and_in_order() -> None:
    several = recipe("m", output("z", variant={"python": "3.11"}), output("y"), output("z", variant={"python": "3.12"}))
    assert several.output_names == ("z", "y")
