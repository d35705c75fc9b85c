from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wvforge_dagster.core.columns import Dimensions, dimension_values, forge_dimensions, label, matches

VALUES = st.text(min_size=1, max_size=12)


@given(st.dictionaries(st.sampled_from(["cuda_version", "python"]), st.lists(VALUES, min_size=1, max_size=4)))
def test_every_partition_key_converts_to_its_values_and_back(variant_values: dict[str, list[str]]) -> None:
    dimensions = forge_dimensions(variant_values)
    keys = dimensions.keys()
    assert len(keys) == len(set(keys))
    for key in keys:
        assert "|".join(dimensions.split(key).values()) == key


@given(VALUES)
def test_a_label_is_a_plain_name_for_a_partition_and_a_folder(value: str) -> None:
    found = label(value)
    assert found
    assert not set(found) & set("|/\\\n\t \0")
    assert not found.startswith(".")
    assert label(found) == found


def test_keys_join_cuda_before_python_as_dagster_does() -> None:
    dimensions = Dimensions.of({"python": ["3.12", "3.13"], "cuda": ["13.0", "12.6"]})
    assert dimensions.keys() == ("13.0|3.12", "13.0|3.13", "12.6|3.12", "12.6|3.13")
    assert dimensions.split("12.6|3.13") == {"cuda": "12.6", "python": "3.13"}


def test_a_package_without_variants_has_one_unnamed_partition() -> None:
    assert Dimensions().keys() == ("",)
    assert Dimensions().split("") == {}


def test_a_key_that_is_no_partition_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"'3.9' is not a partition; partitions are 3.11, 3.12"):
        Dimensions.of({"python": ["3.11", "3.12"]}).split("3.9")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("3.12", "3.12"),
        ("3.12.*", "3.12"),
        ("3.12.* *_cpython", "3.12"),
        ("==3.12", "3.12"),
        ("  13.0  ", "13.0"),
        ("12.6|evil", "12.6_evil"),
        ("../..", "_.."),
    ],
)
def test_labels(value: str, shown: str) -> None:
    assert label(value) == shown


def test_only_the_two_keys_make_dimensions() -> None:
    values = {"python": ["3.12.* *_cpython"], "cuda_version": ["12.6"], "c_compiler_version": ["13"]}
    assert forge_dimensions(values).keys() == ("12.6|3.12",)
    assert dimension_values((("c_compiler_version", "13"), ("python", "3.12.* *_cpython"))) == {"python": "3.12"}


def test_spellings_of_one_value_are_one_column() -> None:
    assert forge_dimensions({"python": ["3.12", "3.12.*"]}).keys() == ("3.12",)


def test_partitions_match_that_agree_in_what_both_have() -> None:
    assert matches({"python": "3.12"}, {"python": "3.12", "cuda": "12.6"})
    assert matches({"python": "3.12"}, {"cuda": "12.6"})
    assert matches({}, {"cuda": "12.6"})
    assert not matches({"python": "3.12", "cuda": "12.6"}, {"python": "3.11"})
