from __future__ import annotations

import pytest

from core.values import TARGET, World, output, recipe
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.recipe import BrokenRecipe, Recipe
from wvforge_dagster.core.state import RecipeFiles

SCRIPT = Failure(FailureClass.SCRIPT, "build script failed", log="logs/a.log")
SOLVE = Failure(FailureClass.SOLVE, "cannot be solved: nothing is missing upstream")


def chain() -> World:
    """c builds against b, b against a."""
    return World(recipe("a"), recipe("b", host=["a"]), recipe("c", host=["b"]))


def test_nothing_is_built_in_the_beginning() -> None:
    world = chain()
    assert world.states() == {"a": "missing", "b": "missing", "c": "missing"}
    assert world.status("a").reason == "never built"
    assert world.status("b").reason == "never built; builds against a"


def test_what_was_built_and_uploaded_is_published() -> None:
    world = chain()
    world.build_all()
    assert set(world.states().values()) == {"published"}
    assert world.status("c").channels == (TARGET,)
    assert len(world.status("c").artifacts) == 1


def test_what_is_in_staging_only_is_staged_and_says_where_it_lacks() -> None:
    world = chain()
    world.build("a", publish=False)
    assert world.state("a") == "staged"
    assert world.status("a").reason == f"not yet in {TARGET}"
    assert world.state("b") == "missing"


def test_another_file_of_the_same_name_in_a_target_does_not_count_as_published() -> None:
    world = chain()
    world.build("a", publish=False)
    world.published.add((world.staged[0].filename, "0" * 64))
    assert world.state("a") == "staged"


def test_a_failed_upload_is_shown_with_its_reason() -> None:
    world = chain()
    world.build("a", publish=False)
    world.fail("a", failure=Failure(FailureClass.UPLOAD, "wrong key"))
    assert world.state("a") == "staged"
    assert world.status("a").reason.endswith(": wrong key")


def test_a_change_makes_a_package_stale_with_its_reason_and_what_builds_against_it_waiting() -> None:
    world = chain()
    world.build_all()
    world.edit(recipe("a", output("a", script="make -j4")))
    assert world.states() == {"a": "stale", "b": "waiting", "c": "waiting"}
    assert world.status("a").reason == "build.script: true -> make -j4"
    assert world.status("b").reason == "builds against a, to be rebuilt first"
    assert len(world.status("a").artifacts) == 1


def test_a_changed_patch_is_the_reason() -> None:
    world = chain()
    world.files["a"] = RecipeFiles({"patches/fix.patch": "1"}, {})
    world.build_all()
    world.files["a"] = RecipeFiles({"patches/fix.patch": "2"}, {})
    assert world.status("a").reason == "patches/fix.patch: content"


def test_undoing_a_change_makes_the_old_package_good_again() -> None:
    world = chain()
    world.build_all()
    world.edit(recipe("a", output("a", script="make -j4")))
    world.edit(recipe("a"))
    assert set(world.states().values()) == {"published"}


def test_dependents_stay_published_if_what_they_build_against_came_out_equal() -> None:
    world = chain()
    world.build("a", content="same")
    world.build_all()
    world.edit(recipe("a", output("a", script="true # faster")))
    world.build("a", content="same")
    assert world.states() == {"a": "published", "b": "published", "c": "published"}


def test_dependents_become_stale_if_what_they_build_against_came_out_different() -> None:
    world = chain()
    world.build_all()
    world.edit(recipe("a", output("a", script="make -j4")))
    world.build("a", content="e" * 64)
    assert world.states() == {"a": "published", "b": "stale", "c": "waiting"}
    assert world.status("b").reason.startswith("a: content ")
    assert world.status("b").reason.endswith("-> eeeeeeee")


def test_run_and_test_requirements_do_not_make_a_package_stale() -> None:
    world = World(recipe("a"), recipe("b", run=["a"], test=["a"]))
    world.build_all()
    world.edit(recipe("a", output("a", script="make -j4")))
    assert world.states() == {"a": "stale", "b": "published"}


def test_a_failure_is_shown_with_its_log_until_the_inputs_change() -> None:
    world = chain()
    world.fail("a", failure=SCRIPT)
    status = world.status("a")
    assert (status.state.value, status.reason, status.log) == ("failed", "build script failed", "logs/a.log")
    world.edit(recipe("a", output("a", script="fixed")))
    assert world.state("a") == "missing"


def test_a_failed_test_is_shown_until_the_test_or_what_it_runs_with_changes() -> None:
    def tested(script: str) -> Recipe:
        made = output("b", run=["a"])
        made.rendered["tests"] = [{"script": [script]}]
        return recipe("b", made)

    world = World(recipe("a"), tested("false"))
    world.build("a")
    world.fail("b", failure=Failure(FailureClass.TEST, "test script failed"))
    assert world.state("b") == "failed"
    world.edit(tested("true"))
    assert world.state("b") == "missing"
    world.edit(tested("false"))
    assert world.state("b") == "failed"
    world.edit(recipe("a", output("a", script="make")))
    world.build("a")
    assert world.state("b") == "missing"


def test_a_changed_test_makes_no_package_stale() -> None:
    world = chain()
    world.build_all()
    changed = output("a")
    changed.rendered["tests"] = [{"script": ["true"]}]
    world.edit(recipe("a", changed))
    assert world.state("a") == "published"


def test_a_failure_of_an_older_attempt_does_not_hide_a_package_that_is_up_to_date() -> None:
    world = chain()
    world.fail("a", failure=SCRIPT)
    world.build("a")
    assert world.state("a") == "published"


def test_a_failure_blocks_what_builds_against_it_and_nothing_else() -> None:
    world = World(recipe("a"), recipe("b", host=["a"]), recipe("c", host=["b"]), recipe("d"), recipe("e", run=["a"]))
    world.fail("a", failure=SCRIPT)
    assert world.states() == {"a": "failed", "b": "blocked", "c": "blocked", "d": "missing", "e": "blocked"}
    assert world.status("b").reason == "a is failed"
    assert world.status("c").reason == "b is blocked"


def test_a_failed_solve_is_unsolvable() -> None:
    world = chain()
    world.fail("a", failure=SOLVE)
    assert world.state("a") == "unsolvable"
    assert "missing upstream" in world.status("a").reason
    assert world.status("b").reason == "a is unsolvable"


def test_a_broken_recipe_fails_with_its_reason_and_blocks() -> None:
    world = World(BrokenRecipe("pkgs/a/recipe.yaml", "a", "pkgs/a/recipe.yaml: bad"), recipe("b", host=["a"]))
    assert world.states() == {"a": "failed", "b": "blocked"}
    assert world.status("a").reason == "pkgs/a/recipe.yaml: bad"


def test_a_cycle_fails_and_the_rest_goes_on() -> None:
    world = World(recipe("a", host=["b"]), recipe("b", host=["a"]), recipe("c"), recipe("d", host=["a"]))
    assert world.states() == {"a": "failed", "b": "failed", "c": "missing", "d": "blocked"}


def test_what_is_being_built_is_building_and_its_dependents_wait() -> None:
    world = chain()
    world.build_all()
    world.building.update(identity for identity in world.statuses() if identity.package == "a")
    assert world.states() == {"a": "building", "b": "waiting", "c": "waiting"}


def test_a_skipped_partition_is_skipped_and_the_others_are_not() -> None:
    world = World(
        recipe(
            "a",
            output("a", variant={"python": "3.11"}, skip="py311"),
            output("a", variant={"python": "3.12"}),
        )
    )
    assert world.states() == {"a[3.11]": "skipped", "a[3.12]": "missing"}
    assert world.status("a", "3.11").reason == "skipped by the recipe: py311"


def test_each_partition_has_a_state_of_its_own() -> None:
    made = [output("a", variant={"python": python}) for python in ("3.11", "3.12")]
    world = World(recipe("a", *made))
    world.build("a", "3.11")
    assert world.states() == {"a[3.11]": "published", "a[3.12]": "missing"}
    world.fail("a", "3.12", failure=SCRIPT)
    assert world.states() == {"a[3.11]": "published", "a[3.12]": "failed"}


def test_one_working_column_is_enough_for_what_only_runs_with_a_package() -> None:
    made = [output("a", variant={"python": python}) for python in ("3.11", "3.12")]
    world = World(recipe("a", *made), recipe("top", run=["a"]))
    world.build("a", "3.12")
    world.fail("a", "3.11", failure=SCRIPT)
    assert world.state("top") == "missing"
    world.staged.clear()
    world.fail("a", "3.12", failure=SCRIPT)
    assert world.state("top") == "blocked"


@pytest.mark.parametrize("changed", ["lib", "tool"])
def test_of_several_outputs_one_out_of_date_makes_the_recipe_stale(changed: str) -> None:
    def outputs(script: str) -> list[object]:
        return [
            output("lib", script=script if changed == "lib" else "true"),
            output("tool", host=["lib"], script=script if changed == "tool" else "true"),
        ]

    world = World(recipe("m", *outputs("true")))  # type: ignore[arg-type]
    world.build("m")
    assert world.state("m") == "published"
    assert len(world.status("m").artifacts) == 2
    world.edit(recipe("m", *outputs("make")))  # type: ignore[arg-type]
    assert world.state("m") == "stale"


def test_a_changed_output_makes_the_sibling_that_builds_against_it_stale_too() -> None:
    world = World(recipe("m", output("lib"), output("tool", host=["lib"])))
    world.build("m")
    world.edit(recipe("m", output("lib", script="make"), output("tool", host=["lib"])))
    assert [expected.found for expected in world.status("m").expected] == [None, None]


def test_packages_that_carry_no_record_are_nobodys() -> None:
    world = chain()
    world.build_all()
    world.staged = [type(item)(**{**vars(item), "record": None}) for item in world.staged]
    assert world.states() == {"a": "missing", "b": "missing", "c": "missing"}
