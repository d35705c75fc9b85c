"""Columns as wholes: what belongs to one, and when it is complete."""

from __future__ import annotations

import pytest

from core.values import TARGET, World, columns, output, recipe
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.promotion import Column, column_of


def world() -> World:
    """pure has no partitions, py is of each Python, gpu of each column, but in one that it skips; all go by column."""
    made = World(
        recipe("pure"),
        recipe("py", *(output("py", variant={"python": python}) for python in ("3.11", "3.12"))),
        recipe(
            "gpu",
            *(
                output(
                    "gpu",
                    variant={"python": python, "cuda_version": cuda},
                    skip="not there" if (python, cuda) == ("3.12", "12.8") else None,
                )
                for python in ("3.11", "3.12")
                for cuda in ("12.6", "12.8")
            ),
        ),
        dimensions=columns(),
    )
    made.by_column = {TARGET}
    return made


def column(made: World, key: str) -> Column:
    return column_of(made.catalog, made.statuses(), key)


def test_a_column_has_the_packages_of_its_values_and_those_without_partitions() -> None:
    made = world()
    assert [str(status.id) for status in column(made, "12.6|3.11").lacking] == ["gpu[12.6|3.11]", "pure", "py[3.11]"]
    assert [str(status.id) for status in column(made, "12.8|3.12").lacking] == ["pure", "py[3.12]"], (
        "skipped is no lack"
    )


def test_what_only_waits_for_its_column_is_staged_says_how_far_that_is_and_goes_nowhere_now() -> None:
    made = world()
    made.build("gpu", "12.6|3.11", publish=False)
    status = made.status("gpu", "12.6|3.11")
    assert (status.state.value, status.goes_to, status.with_column) == ("staged", (), (TARGET,))
    assert status.reason == "waits for its column: 1 of 3 passed"
    made.build("pure", publish=False)
    assert made.status("pure").reason == "waits for its column 12.6|3.11: 2 of 3 passed", "the nearest of its columns"
    made.build("py", "3.11", publish=False)
    assert made.status("gpu", "12.6|3.11").reason == (
        "waits for its column: 3 of 3 passed; wvforge channel promote '12.6|3.11'"
    )
    assert column(made, "12.6|3.11").progress == "3 of 3"
    assert column(made, "12.8|3.11").progress == "2 of 3"


def test_a_package_that_the_target_holds_is_published() -> None:
    made = world()
    made.build("pure")
    assert made.state("pure") == "published"


@pytest.mark.parametrize("failure_class", [FailureClass.SCRIPT, FailureClass.SOLVE])
def test_what_failed_or_cannot_be_solved_has_not_passed(failure_class: FailureClass) -> None:
    made = world()
    for name, partition in (("pure", ""), ("py", "3.12"), ("gpu", "12.6|3.12")):
        made.build(name, partition, publish=False)
    assert column(made, "12.6|3.12").lacking == ()
    made.edit(recipe("pure", output("pure", script="false")))
    made.fail("pure", failure=Failure(failure_class, "it went wrong"))
    (lacking,) = column(made, "12.6|3.12").lacking
    assert lacking.state.value in ("failed", "unsolvable")


def test_a_column_that_the_forge_has_not_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(ForgeError, match=r"has no column '3\.12'; it has '12\.6\|3\.11'"):
        column(world(), "3.12")
    plain = World(recipe("pure"), dimensions=columns((), ()).only(()))
    assert [str(status.id) for status in column(plain, "").lacking] == ["pure"]
    with pytest.raises(ForgeError, match="has no column 'x'; it has no dimensions: name no column"):
        column(plain, "x")
    with pytest.raises(ForgeError, match=r"^name a column; it has "):
        column(world(), "")
