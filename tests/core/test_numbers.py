from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wvforge_dagster.core.numbers import free_number, same_series, with_number

NUMBERS = st.integers(min_value=0, max_value=1000)


@given(NUMBERS, st.lists(NUMBERS))
def test_a_free_number_is_taken_by_nobody_and_not_below_the_recipes(number: int, taken: list[int]) -> None:
    found = free_number(number, taken)
    assert found not in taken
    assert found >= number
    assert found > max(taken, default=-1)


@given(NUMBERS)
def test_the_recipes_number_is_kept_while_nothing_newer_is_there(number: int) -> None:
    assert free_number(number, []) == number
    assert free_number(number, range(number)) == number


def test_a_taken_number_is_raised_by_one() -> None:
    assert free_number(0, [0]) == 1
    assert free_number(0, [0, 4, 2]) == 5


@pytest.mark.parametrize(
    ("build", "other", "same"),
    [
        ("py312h1a2b3c4_0", "py312h1a2b3c4_3", True),
        ("py312h1a2b3c4_0", "py311h1a2b3c4_0", False),
        ("custom", "custom_1", True),
        ("cuda126_0", "cuda128_0", False),
    ],
)
def test_builds_of_one_series_differ_in_the_number_only(build: str, other: str, same: bool) -> None:
    assert same_series(build, other) is same


def test_a_build_string_gets_another_number() -> None:
    assert with_number("py312_0", 3) == "py312_3"
    assert with_number("custom", 1) == "custom_1"
