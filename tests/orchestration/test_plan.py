from __future__ import annotations

import pytest
from core.values import World, output, recipe

from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.recipe import BrokenRecipe
from wvforge_dagster.orchestration.plan import Plan, make_plan, select


def each_column(name: str, **requirements: list[str]) -> list[object]:
    return [
        output(name, variant={"python": python, "cuda_version": cuda}, **requirements)
        for python in ("3.11", "3.12")
        for cuda in ("12.6", "12.8")
    ]


def matrix() -> World:
    """pure is needed by gpu in every column; top runs with gpu; alone needs nothing."""
    return World(
        recipe("pure"),
        recipe("gpu", *each_column("gpu", host=["pure"])),  # type: ignore[arg-type]
        recipe("top", run=["gpu"]),
        recipe("alone"),
    )


def names(found: tuple[VariantId, ...]) -> list[str]:
    return [str(identity) for identity in found]


def plan_of(world: World, **options: object) -> Plan:
    selected = select(world.catalog, [], [], [])
    return make_plan(world.catalog, world.statuses(), world.failures, selected, **options)  # type: ignore[arg-type]


def test_everything_is_selected_if_nothing_is_named() -> None:
    assert len(select(matrix().catalog, [], [], [])) == 7


def test_a_package_is_selected_with_everything_that_it_needs_and_nothing_else() -> None:
    assert names(select(matrix().catalog, ["gpu"], ["3.12"], ["12.6"])) == ["pure", "gpu[12.6|3.12]"]
    assert "alone" not in names(select(matrix().catalog, ["top"], [], []))


def test_columns_narrow_what_a_package_needs_too() -> None:
    assert names(select(matrix().catalog, ["top"], ["3.11"], ["12.8"])) == ["pure", "gpu[12.8|3.11]", "top"]


def test_an_output_is_a_name_of_its_package() -> None:
    world = World(recipe("m", output("lib"), output("tool")), recipe("other"))
    assert names(select(world.catalog, ["tool"], [], [])) == ["m"]


@pytest.mark.parametrize(
    ("packages", "python", "cuda", "words"),
    [
        (["nope"], [], [], "no package 'nope' in this forge; it has alone, pure, gpu, top"),
        ([], ["3.9"], [], "--python: no column '3.9'; the forge has 3.11, 3.12"),
        ([], [], ["11.8"], "--cuda: no column '11.8'; the forge has 12.6, 12.8"),
    ],
)
def test_what_the_forge_does_not_have_is_named(
    packages: list[str], python: list[str], cuda: list[str], words: str
) -> None:
    with pytest.raises(ForgeError) as caught:
        select(matrix().catalog, packages, python, cuda)
    assert str(caught.value) == words


def test_everything_is_planned_in_the_beginning_and_waits_for_what_it_needs() -> None:
    plan = plan_of(matrix())
    assert len(plan.reasons) == 7
    assert plan.waits_for[VariantId("gpu", "12.6|3.12")] == {VariantId("pure")}
    assert plan.waits_for[VariantId("alone")] == frozenset()


def test_nothing_is_planned_when_all_is_published() -> None:
    world = matrix()
    world.build_all()
    assert plan_of(world).reasons == {}


def test_a_change_plans_the_package_and_what_waits_for_it() -> None:
    world = matrix()
    world.build_all()
    world.edit(recipe("pure", output("pure", script="make")))
    plan = plan_of(world)
    assert {identity.package for identity in plan.reasons} == {"pure", "gpu"}
    assert plan.reasons[VariantId("pure")] == "build.script: true -> make"


def test_what_is_staged_is_planned_only_if_it_is_to_be_published() -> None:
    world = World(recipe("a"))
    world.build("a", publish=False)
    assert list(plan_of(world).reasons) == [VariantId("a")]
    assert plan_of(world, publish=False).reasons == {}


def test_what_is_up_to_date_is_planned_if_it_is_forced() -> None:
    world = matrix()
    world.build_all()
    assert plan_of(world, force={VariantId("pure"): "forced"}).reasons == {VariantId("pure"): "forced"}


@pytest.mark.parametrize(
    ("failure_class", "again"),
    [
        (FailureClass.SCRIPT, False),
        (FailureClass.TEST, False),
        (FailureClass.TIMEOUT, False),
        (FailureClass.FETCH, True),
        (FailureClass.SOLVE, True),
        (FailureClass.INTERRUPTED, True),
    ],
)
def test_a_failure_that_belongs_to_the_inputs_is_not_tried_again_with_the_same(
    failure_class: FailureClass, again: bool
) -> None:
    world = World(recipe("a"))
    world.fail("a", failure=Failure(failure_class, "why"))
    plan = plan_of(world)
    assert (VariantId("a") in plan.reasons) is again
    assert (VariantId("a") in plan.given_up) is not again
    unsolvable = failure_class is FailureClass.SOLVE  # solved by the time that it is built: what was missing is there
    reason = "tried again: it could not be solved" if unsolvable else "tried again after: why"
    assert plan_of(world, retry_failed=True).reasons == {VariantId("a"): reason}


def test_skipped_and_broken_ones_are_never_planned() -> None:
    world = World(
        recipe("a", output("a", variant={"python": "3.11"}, skip="old"), output("a", variant={"python": "3.12"})),
        BrokenRecipe("pkgs/b/recipe.yaml", "b", "pkgs/b/recipe.yaml: bad"),
    )
    plan = plan_of(world, force=frozenset({VariantId("b"), VariantId("a", "3.11")}), retry_failed=True)
    assert list(plan.reasons) == [VariantId("a", "3.12")]
