"""What a tick of the sensor of changed recipes asks for."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from core.values import World, columns, output, recipe

from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.recipe import BrokenRecipe, Output
from wvforge_dagster.orchestration.watching import Request, requests

CUDAS, PYTHONS = ("12.6", "12.8"), ("3.11", "3.12")
COLUMNS = tuple(f"{cuda}|{python}" for cuda in CUDAS for python in PYTHONS)


def each_column(name: str, **options: object) -> list[Output]:
    return [
        output(name, variant={"python": python, "cuda_version": cuda}, **options)  # type: ignore[arg-type]
        for python in PYTHONS
        for cuda in CUDAS
    ]


def matrix() -> World:
    """gpu builds against pure in every column, and so does lib against gpu; top runs with lib; alone needs nothing."""
    return World(
        recipe("pure"),
        recipe("gpu", *each_column("gpu", host=["pure"])),
        recipe("lib", *each_column("lib", host=["gpu"])),
        recipe("top", run=["lib"]),
        recipe("alone"),
    )


def built(world: World) -> World:
    world.build_all()
    return world


def asked(
    world: World, *, busy: frozenset[VariantId] = frozenset(), settled: Mapping[VariantId, str] | None = None
) -> dict[str, list[str]]:
    """The packages of each request, by its partition."""
    found = tick(world, busy=busy, settled=settled)
    assert len({request.partition for request in found}) == len(found), "one request for each column"
    return {request.partition: [identity.package for identity in request.wants] for request in found}


def tick(
    world: World, *, busy: frozenset[VariantId] = frozenset(), settled: Mapping[VariantId, str] | None = None
) -> tuple[Request, ...]:
    return requests(world.catalog, world.statuses(), world.failures, busy, settled or {})


def carry_out(world: World, found: tuple[Request, ...]) -> None:
    """What the runs that are asked for make: what is to be built still when its turn comes."""
    for request in found:
        for identity in request.wants:
            if world.status(identity.package, identity.partition).state.value in ("stale", "missing"):
                world.build(identity.package, identity.partition)


def settled_by(found: tuple[Request, ...]) -> dict[VariantId, str]:
    return {identity: want for request in found for identity, want in request.wants.items()}


def test_when_all_is_published_nothing_is_asked_for() -> None:
    assert asked(built(matrix())) == {}


def test_a_new_forge_is_asked_for_column_by_column_as_what_it_needs_gets_ready() -> None:
    world = matrix()
    assert asked(world) == {"": ["alone", "pure"]}
    carry_out(world, tick(world))
    assert asked(world) == {column: ["gpu", "lib"] for column in COLUMNS}
    carry_out(world, tick(world))
    assert asked(world) == {"": ["top"]}
    carry_out(world, tick(world))
    assert asked(world) == {}


def test_each_package_variant_is_asked_for_once_until_everything_is_published() -> None:
    world = matrix()
    seen: list[VariantId] = []
    settled: dict[VariantId, str] = {}
    while found := tick(world, settled=settled):
        seen += [identity for request in found for identity in request.wants]
        settled |= settled_by(found)
        carry_out(world, found)
    assert sorted(seen) == sorted(world.catalog.variants)
    assert set(world.states().values()) == {"published"}


def test_a_change_asks_for_the_stale_one_with_its_dependents_in_every_column_and_nothing_else() -> None:
    world = built(matrix())
    world.edit(recipe("gpu", *each_column("gpu", host=["pure"], script="make")))
    assert asked(world) == {column: ["gpu", "lib"] for column in COLUMNS}


def test_a_change_in_one_column_asks_for_that_column_only() -> None:
    world = built(matrix())
    changed = each_column("gpu", host=["pure"])
    changed[0] = output("gpu", variant=dict(changed[0].variant), host=["pure"], script="make")
    world.edit(recipe("gpu", *changed))
    assert asked(world) == {"12.6|3.11": ["gpu", "lib"]}


def test_what_needs_the_run_of_another_column_waits_until_it_is_known_whether_it_has_to_be_built() -> None:
    world = built(matrix())
    world.edit(recipe("pure", output("pure", script="make")))
    assert asked(world) == {"": ["pure"]}
    world.note_equal("pure")
    assert asked(world) == {}
    world.edit(recipe("pure", output("pure", script="make -j4")))
    carry_out(world, tick(world))
    assert asked(world) == {column: ["gpu", "lib"] for column in COLUMNS}


def test_a_package_of_one_dimension_is_a_request_of_its_own() -> None:
    world = World(
        recipe("py", *(output("py", variant={"python": python}) for python in PYTHONS)),
        recipe("cu", *(output("cu", variant={"cuda_version": cuda}) for cuda in CUDAS)),
        recipe("both", *each_column("both", host=["py", "cu"])),
    )
    assert asked(world) == {"3.11": ["py"], "3.12": ["py"], "12.6": ["cu"], "12.8": ["cu"]}
    world.build("py", "3.11")
    world.build("cu", "12.8")
    assert asked(world) == {"3.12": ["py"], "12.6": ["cu"], "12.8|3.11": ["both"]}


def test_columns_of_one_name_in_two_dimensions_are_two_requests() -> None:
    world = World(
        recipe("py", output("py", variant={"python": "3.12"})),
        recipe("cu", output("cu", variant={"cuda_version": "3.12"})),
        dimensions=columns(python=["3.12"], cuda=["3.12"]),
    )
    assert [(request.partition, len(request.wants)) for request in tick(world)] == [("3.12", 1), ("3.12", 1)]


def test_what_a_run_is_to_make_already_is_not_asked_for_again_and_what_needs_it_waits() -> None:
    world = matrix()
    assert asked(world, busy=frozenset({VariantId("pure")})) == {"": ["alone"]}
    world.build("pure")
    busy = frozenset({VariantId("gpu", COLUMNS[0]), VariantId("alone")})
    assert asked(world, busy=busy) == {column: ["gpu", "lib"] for column in COLUMNS[1:]}


def test_what_is_being_built_by_a_command_is_not_asked_for() -> None:
    world = World(recipe("a"), recipe("b", host=["a"]))
    world.building.add(VariantId("a"))
    assert asked(world) == {}


def test_what_was_asked_for_is_not_asked_for_again_whatever_became_of_it_until_it_changes() -> None:
    world = built(matrix())
    world.edit(recipe("gpu", *each_column("gpu", host=["pure"], script="make")))
    settled = settled_by(tick(world))
    assert asked(world, settled=settled) == {}
    world.edit(recipe("gpu", *each_column("gpu", host=["pure"], script="make -j4")))
    assert asked(world, settled=settled) == {column: ["gpu", "lib"] for column in COLUMNS}


def test_dependents_of_what_was_asked_for_in_vain_wait_for_it() -> None:
    world = World(recipe("a"), recipe("b", host=["a"]))
    settled = {VariantId("a"): world.status("a").want}
    assert asked(world, settled=settled) == {}
    world.edit(recipe("a", output("a", script="mended")))
    assert asked(world, settled=settled) == {"": ["a", "b"]}


def test_a_change_that_was_taken_back_is_not_asked_for() -> None:
    world = built(matrix())
    world.edit(recipe("pure", output("pure", script="make")))
    world.edit(recipe("pure"))
    assert asked(world) == {}


@pytest.mark.parametrize("failure_class", [FailureClass.SCRIPT, FailureClass.FETCH, FailureClass.SOLVE])
def test_what_failed_cannot_be_solved_or_is_blocked_is_not_asked_for(failure_class: FailureClass) -> None:
    world = World(recipe("a"), recipe("b", host=["a"]), recipe("c"))
    world.fail("a", failure=Failure(failure_class, "why"))
    assert asked(world) == {"": ["c"]}
    world.edit(recipe("a", output("a", script="mended")))
    assert asked(world) == {"": ["a", "c", "b"]}


def test_skipped_retired_and_broken_ones_are_not_asked_for() -> None:
    world = World(
        recipe("a", output("a", variant={"python": "3.11"}, skip="old"), output("a", variant={"python": "3.12"})),
        recipe("gone"),
        BrokenRecipe("pkgs/b/recipe.yaml", "b", "pkgs/b/recipe.yaml: bad"),
    )
    world.build("gone")
    del world.recipes["pkgs/gone/recipe/recipe.yaml"]
    assert world.states()["gone"] == "retired"
    assert asked(world) == {"3.12": ["a"]}


def test_a_failure_in_one_column_leaves_the_others_to_be_asked_for() -> None:
    world = matrix()
    world.build("pure")
    world.build("alone")
    world.fail("gpu", COLUMNS[0], failure=Failure(FailureClass.SCRIPT, "why"))
    assert asked(world) == {column: ["gpu", "lib"] for column in COLUMNS[1:]}
    carry_out(world, tick(world))
    assert asked(world) == {"": ["top"]}, "it runs with what the other columns have"


def test_what_is_staged_is_asked_for_unless_its_upload_failed() -> None:
    world = World(recipe("a"))
    world.build("a", publish=False)
    assert asked(world) == {"": ["a"]}
    world.fail("a", failure=Failure(FailureClass.UPLOAD, "wrong key"))
    assert asked(world) == {}


def test_dependents_do_not_wait_for_an_upload() -> None:
    world = World(recipe("a"), recipe("b", *each_column("b", host=["a"])))
    world.build("a", publish=False)
    assert asked(world) == {"": ["a"], **{column: ["b"] for column in COLUMNS}}


def test_tests_that_changed_are_asked_for_alone() -> None:
    tested = output("a")
    world = built(World(recipe("a"), recipe("b", *each_column("b", host=["a"]))))
    tested.rendered["tests"] = [{"script": ["true"]}]
    world.edit(recipe("a", tested))
    assert asked(world) == {"": ["a"]}


def test_the_reason_of_a_request_is_that_of_what_changed_and_not_of_what_follows() -> None:
    world = built(matrix())
    world.edit(recipe("gpu", *each_column("gpu", host=["pure"], script="make")))
    (first, *_) = tick(world)
    assert first.reason == "gpu: build.script: true -> make"
    assert set(first.wants) == {VariantId("gpu", "12.6|3.11"), VariantId("lib", "12.6|3.11")}
    assert first.wants[VariantId("lib", "12.6|3.11")] == world.status("lib", "12.6|3.11").want
