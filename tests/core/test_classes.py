from __future__ import annotations

from typing import Any

import pytest

from core.values import output, recipe
from wvforge_dagster.core.classes import PackageClass, class_of, refuse_unknown_class, wanted_class
from wvforge_dagster.core.forge import Forge
from wvforge_dagster.core.history import KEPT, Measure, Past
from wvforge_dagster.core.limits import ALL_CORES
from wvforge_dagster.core.recipe import BrokenRecipe, Recipe


def forge(classes: dict[str, Any], **limits: Any) -> Forge:
    return Forge.model_validate({"classes": classes, "limits": limits})


def built(*builds: tuple[float, float]) -> list[Past]:
    """Builds of one package variant, each with its minutes and GiB."""
    return [Past(tuple(Measure(minutes * 60, int(gib * 2**30)) for minutes, gib in builds))]


CLASSES = forge(
    {
        "heavy": {"packages": ("torch*",), "from_minutes": 30.0},
        "huge": {"from_memory_gib": 8.0, "packages": ("torchx",)},
    }
).classes


@pytest.mark.parametrize(
    ("package", "wanted", "past", "found"),
    [
        ("a", None, [], PackageClass("light")),
        ("torch", None, [], PackageClass("heavy", "classes.heavy.packages has torch*")),
        ("torchx", None, [], PackageClass("huge", "classes.huge.packages has torchx")),
        ("torch", "light", built((90, 90)), PackageClass("light", "its recipe says so")),
        ("a", "gpu", [], PackageClass("gpu", "its recipe says so")),
        ("a", None, built((29.9, 7.9)), PackageClass("light")),
        ("a", None, built((30, 0)), PackageClass("heavy", "a build took 30 min; classes.heavy.from_minutes is 30")),
        ("a", None, built((1, 9)), PackageClass("huge", "a build held 9 GiB; classes.huge.from_memory_gib is 8")),
        ("torch", None, built((1, 9)), PackageClass("heavy", "classes.heavy.packages has torch*")),
        # One that a compiler cache made short is heavy all the same.
        (
            "a",
            None,
            built((45, 1), (2, 1)),
            PackageClass("heavy", "a build took 45 min; classes.heavy.from_minutes is 30"),
        ),
    ],
)
def test_a_class_follows_from_the_recipe_then_the_name_then_the_past(
    package: str, wanted: str | None, past: list[Past], found: PackageClass
) -> None:
    assert class_of(package, wanted, past, CLASSES) == found


def test_only_the_last_builds_are_remembered() -> None:
    past = Past(())
    for number in range(KEPT + 3):
        past = past.with_build(Measure(100.0 - number))
    assert len(past.builds) == KEPT
    assert (past.seconds, past.longest) == (100 - KEPT - 2, 97)


def test_every_forge_has_a_light_a_heavy_and_a_gpu_class() -> None:
    assert [*Forge().classes] == ["light", "heavy", "gpu"]
    heavy = forge({"heavy": {"hours": 3.0}}).classes["heavy"]
    assert (heavy.at_once, heavy.cores, heavy.hours) == (1, ALL_CORES, 3)
    assert forge({"heavy": {"cores": 2}}).classes["heavy"].cores == 2


def test_limits_of_a_class_stand_above_those_of_all_and_below_those_of_a_package() -> None:
    made = forge(
        {"heavy": {"hours": 24.0, "memory_gib": 32.0, "cores": 8}},
        hours=2.0,
        disk_gib=5.0,
        packages={"b*": {"memory_gib": 64.0}},
    )
    light, heavy = made.classes["light"], made.classes["heavy"]
    assert made.limits.of("a", light).given() == {"hours": 2, "test_hours": 1, "disk_gib": 5}
    limits = made.limits.of("b", heavy)
    assert (limits.hours, limits.memory_gib, limits.cores, limits.disk_gib) == (24, 64, 8, 5)


def with_extra(extra: dict[str, Any]) -> Recipe:
    made = output("a")
    made.rendered["extra"] = extra
    return recipe("a", made)


def test_a_recipe_names_its_class() -> None:
    assert wanted_class(with_extra({"wvforge": {"class": "heavy"}})) == "heavy"
    assert wanted_class(with_extra({"recipe-maintainers": ["me"]})) is None
    assert wanted_class(recipe("a")) is None


@pytest.mark.parametrize("wanted", ["enormous", 3, ["heavy"], None])
def test_a_recipe_of_an_unknown_class_cannot_be_used_and_says_which_there_are(wanted: Any) -> None:
    made = with_extra({"wvforge": {"class": wanted}})
    found = refuse_unknown_class(made, CLASSES)
    if wanted is None:
        assert found is made
        return
    assert isinstance(found, BrokenRecipe)
    assert found.reason == (
        f"pkgs/a/recipe/recipe.yaml: extra.wvforge.class: {wanted!r} is no class; take one of light, heavy, gpu, huge, "
        "or add it to classes in forge.yaml"
    )
