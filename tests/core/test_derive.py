from __future__ import annotations

from dataclasses import replace

import pytest

from core.values import TARGET, World, columns, output, recipe
from wvforge_dagster.core.evidence import RecipeFiles
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.recipe import BrokenRecipe, Recipe

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


def test_a_file_that_a_target_holds_with_other_content_is_to_be_built_under_another_name() -> None:
    world = chain()
    world.build("a", publish=False)
    world.published.add((world.staged[0].filename, "0" * 64))
    assert world.state("a") == "stale"
    assert world.status("a").reason == (
        "channels: a package made from other inputs hides the one that was made from these"
    )


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


def test_what_waits_says_first_what_else_of_it_changed() -> None:
    world = chain()
    world.build_all()
    world.edit(recipe("a", output("a", script="make -j4")))
    world.files["b"] = RecipeFiles({"patches/fix.patch": "1"}, {})
    assert world.state("b") == "waiting"
    assert world.status("b").reason == "patches/fix.patch: added; builds against a, to be rebuilt first"


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
    assert world.status("b").reason.startswith("a 1.0: content ")
    assert world.status("b").reason.endswith("-> eeeeeeee")


def with_test(name: str, script: str, *, number: int = 0, **requirements: list[str]) -> Recipe:
    """A recipe with one test."""
    made = output(name, number=number, **requirements)
    made.rendered["tests"] = [{"script": [script]}]
    return recipe(name, made)


def test_run_requirements_do_not_make_a_package_stale_while_they_are_to_be_rebuilt() -> None:
    world = World(recipe("a"), with_test("b", "true", run=["a"]))
    world.build_all()
    world.edit(recipe("a", output("a", script="make -j4")))
    assert world.states() == {"a": "stale", "b": "published"}


def test_what_a_package_runs_with_came_out_different_so_its_tests_alone_run_again() -> None:
    world = World(recipe("a"), with_test("b", "true", run=["a"]))
    world.build_all()
    world.edit(recipe("a", output("a", script="make -j4")))
    world.build("a", content="e" * 64)
    assert world.states() == {"a": "published", "b": "stale"}
    status = world.status("b")
    assert status.tests_only
    assert status.reason.startswith("tests only, on the same file: a 1.0: content ")
    world.note_tests("b")
    assert world.state("b") == "published"


def test_a_changed_test_makes_the_tests_run_again_and_nothing_wait() -> None:
    world = World(with_test("a", "true"), recipe("b", host=["a"]))
    world.build_all()
    world.edit(with_test("a", "false"))
    assert world.states() == {"a": "stale", "b": "published"}
    assert world.status("a").reason == "tests only, on the same file: tests.script: true -> false"
    world.fail("a", failure=Failure(FailureClass.TEST, "test script failed"))
    assert (world.state("a"), world.status("a").reason) == ("failed", "test script failed")
    world.edit(with_test("a", "true"))
    assert world.state("a") == "published"


def test_a_package_whose_tests_were_taken_away_has_none_to_run() -> None:
    world = World(with_test("a", "true"))
    world.build_all()
    world.edit(recipe("a"))
    assert world.state("a") == "published"


def test_a_build_that_came_out_equal_is_noted_and_leaves_everything_published() -> None:
    world = chain()
    world.build_all()
    world.edit(recipe("a", output("a", script="true # faster")))
    assert world.states() == {"a": "stale", "b": "waiting", "c": "waiting"}
    world.note_equal("a")
    assert world.states() == {"a": "published", "b": "published", "c": "published"}
    assert [item.filename for item in world.status("a").artifacts] == ["a-1.0-h_0.conda"]
    world.edit(recipe("a"))
    assert world.state("a") == "published"


def test_a_newer_package_from_other_inputs_hides_the_one_from_these() -> None:
    world = chain()
    world.build_all()
    world.edit(recipe("a", output("a", script="make -j4")))
    world.build("a")
    world.edit(recipe("a"))
    assert world.state("a") == "stale"
    assert world.status("a").reason == "build.script: make -j4 -> true"
    world.build("a")
    assert world.state("a") == "published"


def test_a_recorded_part_binds_only_where_the_policy_names_it() -> None:
    world = chain()
    world.build_all()
    world.recorded["engine"] = "2"
    assert set(world.states().values()) == {"published"}
    world.rebuild_on = {"engine"}
    assert world.states() == {"a": "stale", "b": "waiting", "c": "waiting"}
    assert world.status("a").reason == "engine: 1 -> 2"
    world.note_equal("a")
    assert world.state("a") == "published"


def with_git(commit_of: str = "v1") -> Recipe:
    made = output("a")
    made.rendered["source"] = [{"git": "https://x/a.git", "rev": commit_of}]
    return recipe("a", made)


def test_a_git_source_is_taken_for_what_it_was_until_it_is_asked() -> None:
    world = World(with_git())
    world.commits["https://x/a.git@v1"] = "1" * 40
    world.build("a")
    world.commits.clear()
    assert world.state("a") == "published"
    world.commits["https://x/a.git@v1"] = "2" * 40
    assert world.state("a") == "stale"
    assert world.status("a").reason == "source https://x/a.git@v1: commit 111111111111 -> commit 222222222222"


def in_columns(*cudas: str) -> Recipe:
    return recipe("a", *(output("a", variant={"cuda_version": cuda}) for cuda in cudas))


def test_a_new_column_is_missing_and_says_so_and_leaves_the_others() -> None:
    world = World(in_columns("12.6"), dimensions=columns(cuda=["12.6"]))
    world.build_all()
    world.dimensions = columns(cuda=["12.6", "12.8"])
    world.edit(in_columns("12.6", "12.8"))
    assert world.states() == {"a[12.6]": "published", "a[12.8]": "missing"}
    assert world.status("a", "12.8").reason == "never built for cuda_version 12.8"


def test_a_column_that_was_taken_out_is_retired_and_stays_published() -> None:
    world = World(in_columns("12.6", "12.8"), dimensions=columns(cuda=["12.6", "12.8"]))
    world.build_all()
    world.dimensions = columns(cuda=["12.8"])
    world.edit(in_columns("12.8"))
    assert world.states() == {"a[12.8]": "published", "a[12.6]": "retired"}
    retired = world.status("a", "12.6")
    assert retired.channels == (TARGET,)
    assert [item.filename for item in retired.artifacts] == ["a-1.0-h12.6_0.conda"]


def test_a_recipe_that_was_removed_is_retired_and_a_broken_one_is_not() -> None:
    world = World(recipe("a"), recipe("b"))
    world.build_all()
    del world.recipes["pkgs/a/recipe/recipe.yaml"]
    world.edit(BrokenRecipe("pkgs/b/recipe/recipe.yaml", "b", "bad"))
    assert world.states() == {"b": "failed", "a": "retired"}


def test_what_could_not_be_solved_before_its_needs_were_built_says_so() -> None:
    world = chain()
    identity = next(identity for identity in world.statuses() if identity.package == "b")
    world.failures[identity] = replace(SOLVE, want=world.status("b").want, input_digest="")
    assert world.states() == {"a": "missing", "b": "unsolvable", "c": "blocked"}
    world.edit(recipe("a", output("a", script="other")))
    assert world.state("b") == "missing"


def test_a_failure_is_shown_with_its_log_until_the_inputs_change() -> None:
    world = chain()
    world.fail("a", failure=SCRIPT)
    status = world.status("a")
    assert (status.state.value, status.reason, status.log) == ("failed", "build script failed", "logs/a.log")
    world.edit(recipe("a", output("a", script="fixed")))
    assert world.state("a") == "missing"


def test_a_failed_test_is_shown_until_the_test_or_what_it_runs_with_changes() -> None:
    world = World(recipe("a"), with_test("b", "false", run=["a"]))
    world.build("a")
    world.fail("b", failure=Failure(FailureClass.TEST, "test script failed"))
    assert world.state("b") == "failed"
    world.edit(with_test("b", "true", run=["a"]))
    assert world.state("b") == "missing"
    world.edit(with_test("b", "false", run=["a"]))
    assert world.state("b") == "failed"
    world.edit(recipe("a", output("a", script="make")))
    world.build("a")
    assert world.state("b") == "missing"


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


def test_a_package_of_a_variant_that_was_taken_back_hides_the_older_one() -> None:
    def compiled(compiler: str, number: int = 0) -> Recipe:
        return recipe("a", output("a", variant={"c_compiler_version": compiler}, number=number))

    world = World(compiled("13"))
    world.build("a")
    world.edit(compiled("14"))
    world.build("a")
    world.edit(compiled("13"))
    assert world.state("a") == "stale"
    world.build("a")
    assert world.state("a") == "published"


def test_a_sibling_output_that_is_not_used_makes_nothing_stale() -> None:
    def library(tools: str) -> Recipe:
        return recipe("m", output("lib"), output("tools", script=tools))

    world = World(library("true"), recipe("b", host=["lib"]))
    world.build_all()
    world.edit(library("make"))
    for item in list(world.staged):
        if item.name == "lib":
            world.published.add((item.filename, item.sha256))
    lib = next(item.content for item in world.staged if item.name == "lib")
    for expected in world.status("m").expected:
        assert expected.output.name in ("lib", "tools")
    world.build("m", content=lib)
    assert world.state("b") == "published"
