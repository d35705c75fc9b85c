"""What there is to tell, and that it is told once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from core.values import TARGET, World, columns, output, recipe
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.notices import (
    MOST_LINES,
    MOST_MARKS,
    Mark,
    Notice,
    news,
    night_notice,
    remembered,
    standing,
    unfinished_night_notice,
)
from wvforge_dagster.core.recipe import BrokenRecipe

SCRIPT = Failure(FailureClass.SCRIPT, "build script failed", log="logs/a.log")
SOLVE = Failure(FailureClass.SOLVE, "nothing provides x")


class Listener:
    """Somebody who is told what is new."""

    def __init__(self) -> None:
        self.marks: tuple[Mark, ...] = ()

    def hears(self, world: World) -> dict[str, tuple[str, ...]]:
        """The lines of each notice, by its event."""
        notices = self.notices(world)
        self.marks = remembered([*self.marks, *(mark for notice in notices for mark in notice.marks)])
        return {notice.event: notice.lines for notice in notices}

    def notices(self, world: World) -> tuple[Notice, ...]:
        return news("forge", standing(world.catalog, world.statuses(), world.failures), frozenset(self.marks))


def chain(*names: str) -> World:
    return World(*(recipe(name) for name in names or ("a", "b")), dimensions=columns((), ()).only(()))


def test_nothing_is_told_of_a_forge_that_was_never_built() -> None:
    assert Listener().hears(chain()) == {}


def test_the_first_failure_of_an_input_digest_is_told_and_its_repetition_is_not() -> None:
    world, listener = chain(), Listener()
    world.fail("a", failure=SCRIPT)
    assert listener.hears(world) == {"failure": ("a (script): build script failed; log: logs/a.log",)}
    world.fail("a", failure=replace(SCRIPT, reason="build script failed once more", log="logs/b.log"))
    assert listener.hears(world) == {}


def test_with_other_inputs_a_failure_is_told_again_and_with_the_old_ones_it_is_not() -> None:
    world, listener = chain(), Listener()
    for script, told in (("false", True), ("exit 1", True), ("false", False)):
        world.edit(recipe("a", output("a", script=script)))
        assert listener.hears(world) == {}, "it is not known to fail with these"
        world.fail("a", failure=SCRIPT)
        assert ("failure" in listener.hears(world)) is told


def test_a_failure_at_another_step_is_no_repetition() -> None:
    world, listener = chain(), Listener()
    world.fail("a", failure=Failure(FailureClass.FETCH, "no answer"))
    assert listener.hears(world) == {"failure": ("a (fetch): no answer",)}
    world.fail("a", failure=SCRIPT)
    assert list(listener.hears(world)) == ["failure"]


def test_a_failed_upload_is_a_failure() -> None:
    world, listener = chain("a"), Listener()
    world.build("a", publish=False)
    world.fail("a", failure=Failure(FailureClass.UPLOAD, "HTTP 403"))
    assert listener.hears(world) == {"failure": ("a (upload): HTTP 403",)}


def test_a_recipe_that_cannot_be_read_is_a_failure_until_it_fails_otherwise() -> None:
    world, listener = chain("a"), Listener()
    broken = BrokenRecipe("pkgs/b/recipe/recipe.yaml", "b", "line 3: no colon")
    world.edit(broken)
    assert listener.hears(world) == {"failure": ("b (render): line 3: no colon",)}
    assert listener.hears(world) == {}
    world.edit(replace(broken, reason="line 4: no colon"))
    assert list(listener.hears(world)) == ["failure"]


def test_what_became_solvable_is_told_once_and_only_if_it_was_told_to_be_unsolvable() -> None:
    world, listener, late = chain("a"), Listener(), Listener()
    world.fail("a", failure=SOLVE)
    assert listener.hears(world) == {"failure": ("a (unsolvable): nothing provides x",)}
    world.failures.clear()
    assert listener.hears(world) == {}, "it is not known to be solvable before it was solved"
    world.build("a")
    told = listener.hears(world)
    assert told.pop("solvable") == ("a: could not be solved, and can be now; it is published",)
    assert list(told) == ["column"]
    assert listener.hears(world) == {}
    assert list(late.hears(world)) == ["column"]


def test_what_could_be_solved_and_failed_then_became_solvable() -> None:
    world, listener = chain("a"), Listener()
    world.fail("a", failure=SOLVE)
    listener.hears(world)
    world.fail("a", failure=SCRIPT)
    assert listener.hears(world) == {
        "failure": ("a (script): build script failed; log: logs/a.log",),
        "solvable": ("a: could not be solved, and can be now; it is failed",),
    }


def test_a_column_is_told_once_all_of_it_is_where_it_goes_and_again_with_other_content() -> None:
    world, listener = chain(), Listener()
    world.build("a")
    assert listener.hears(world) == {}
    world.build("b", publish=False)
    assert listener.hears(world) == {}, "it is in no target yet"
    world.published.update((item.filename, item.sha256) for item in world.staged)
    told = {"column": ("all of it: 2 of 2 package variants are up to date",)}
    assert listener.hears(world) == told
    assert listener.hears(world) == {}
    world.edit(recipe("b", output("b", script="other")))
    assert listener.hears(world) == {}
    world.build("b")
    assert listener.hears(world) == told


def test_columns_are_told_by_name_and_what_goes_by_column_says_how_to_publish_it() -> None:
    outputs = [output("a", variant={"python": python}) for python in ("3.11", "3.12")]
    world = World(recipe("a", *outputs), dimensions=columns().only(["python"]))
    world.by_column = {TARGET}
    world.build("a", "3.12", publish=False)
    (notice,) = Listener().notices(world)
    assert (notice.title, notice.bad) == ("forge: 1 column complete", False)
    assert notice.lines == (
        "column 3.12: 1 of 1 package variants are up to date; to publish it: wvforge channel promote '3.12'",
    )


def test_many_failures_are_one_notice_that_says_how_many_more_there_are() -> None:
    names = [f"p{number:02}" for number in range(MOST_LINES + 5)]
    world = chain(*names)
    for name in names:
        world.fail(name, failure=Failure(FailureClass.SCRIPT, f"why\n{'x' * 1000}"))
    (notice,) = Listener().notices(world)
    assert (notice.title, notice.bad) == (f"forge: {MOST_LINES + 5} package variants failed", True)
    assert len(notice.lines) == MOST_LINES
    assert notice.lines[-1] == "and 6 more: wvforge status"
    assert all("\n" not in line and len(line) <= 300 for line in notice.lines)
    assert len(notice.marks) == MOST_LINES + 5


def test_of_each_package_variant_the_newest_is_remembered() -> None:
    marks = [Mark("failure", "a", f"script {number}") for number in range(MOST_MARKS + 2)]
    others = [Mark("failure", "b", "script 0"), Mark("column", "a", "0")]
    assert set(remembered([*others, *marks])) == {*marks[2:], *others}


def night(world: World, change: Iterable[str], seconds: float = 5.0) -> Notice:
    before = world.statuses()
    for name in change:
        world.build(name)
    after = world.statuses()
    bad = [status for status in after.values() if status.state.value != "published"]
    return night_notice("forge", before, after, bad, seconds)


def test_the_nightly_run_is_five_lines() -> None:
    world = chain("a", "b", "c", "d")
    for name in "abc":
        world.build(name)
    world.edit(recipe("a", output("a", script="new")))
    world.edit(recipe("c", output("c", script="false")))
    world.edit(recipe("e", host=["c"]))
    world.fail("c", failure=SCRIPT)
    world.fail("d", failure=SOLVE)
    notice = night(world, ["a"], seconds=3 * 3600 + 125)
    assert (notice.event, notice.title, notice.bad) == ("nightly", "forge: nightly run, 1 failed", True)
    assert notice.lines == (
        "built: 1 (a)",
        "published: 1 (a)",
        "failed: 1 (c)",
        "unsolvable: 1 (d); blocked: 1 (e)",
        "took 3 h 2 min",
    )


def test_a_nightly_run_with_nothing_to_do_is_told_as_well() -> None:
    world = chain()
    world.build_all()
    notice = night(world, [])
    assert (notice.title, notice.bad) == ("forge: nightly run", False)
    assert notice.lines == ("built: 0", "published: 0", "failed: 0", "unsolvable: 0; blocked: 0", "took 5 s")


def test_of_many_package_variants_the_first_are_named() -> None:
    world = chain("a", "b", "c", "d", "e")
    assert night(world, "abcde", seconds=60).lines[0] == "built: 5 (a, b, c and 2 more)"


def test_a_nightly_run_that_ends_early_says_why() -> None:
    assert unfinished_night_notice("forge", "no\nspace").lines == ("no space",)
