from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wvforge_dagster.core.numbers import free_number, taken_numbers

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
    ("build", "number", "filename", "taken"),
    [
        ("py312h1a2b3c4_0", 0, "cumm-1.0-py312h1a2b3c4_3.conda", [3]),
        ("py312h1a2b3c4_0", 0, "cumm-1.0-py312h1a2b3c4_0.conda", [0]),
        ("py312h1a2b3c4_5", 5, "cumm-1.0-py312h1a2b3c4_3.tar.bz2", [3]),
        ("py312h1a2b3c4_0", 0, "cumm-1.0-py311h1a2b3c4_0.conda", []),
        ("py312h1a2b3c4_0", 0, "cumm-1.1-py312h1a2b3c4_0.conda", []),
        ("py312h1a2b3c4_0", 0, "other-cumm-1.0-py312h1a2b3c4_0.conda", []),
        ("custom", 7, "cumm-1.0-custom.conda", [7]),
        ("custom", 7, "cumm-1.0-custom_8.conda", [8]),
        ("cuda_126", 0, "cumm-1.0-cuda_126.conda", [0]),
        ("cuda_126", 0, "cumm-1.0-cuda_126_1.conda", [1]),
        ("cuda_126", 0, "cumm-1.0-cuda_128.conda", []),
        ("cuda126_0", 0, "cumm-1.0-cuda128_0.conda", []),
        ("a.c_0", 0, "cumm-1.0-abc_4.conda", []),
        ("cuda126_0", 0, "no-package", []),
    ],
)
def test_a_number_is_taken_by_a_package_of_the_same_variant(
    build: str, number: int, filename: str, taken: list[int]
) -> None:
    assert taken_numbers("cumm", "1.0", build, number, [filename]) == taken
