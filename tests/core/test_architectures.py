"""CUDA architectures as they are declared, and as each release takes them."""

from __future__ import annotations

import re

import pytest

from wvforge_dagster.core.architectures import Architectures, compiles_for, parse_architecture


@pytest.mark.parametrize(
    ("text", "capability", "code", "ptx", "cmake"),
    [
        ("8.6", "8.6", True, False, "86-real"),
        ("9.0+PTX", "9.0", True, True, "90"),
        ("9.0a", "9.0a", True, False, "90a-real"),
        ("8.0-virtual", "8.0", False, True, "80-virtual"),
        ("12.0+PTX", "12.0", True, True, "120"),
    ],
)
def test_an_architecture_is_what_its_spelling_says(
    text: str, capability: str, code: bool, ptx: bool, cmake: str
) -> None:
    found = parse_architecture(text)
    assert (found.capability, found.code, found.ptx, found.for_cmake, str(found)) == (
        capability,
        code,
        ptx,
        cmake,
        text,
    )


@pytest.mark.parametrize("text", ["", "80", "sm_80", "8.0 PTX", "8.0+ptx", "8.0+PTX ", "8.00", "all"])
def test_what_is_no_architecture_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write 8\.6"):
        parse_architecture(text)


@pytest.mark.parametrize(
    ("release", "capability", "can"),
    [
        ("12.6", "12.0", False),
        ("12.8", "12.0", True),
        ("12.9", "7.0", True),
        ("13.0", "7.0", False),
        ("13.0", "7.5", True),
        ("12.9", "10.1", True),
        ("13.0", "10.1", False),
        ("13.0", "11.0", True),
        ("12.9", "11.0", False),
        ("11.7", "9.0", False),
        ("12.0", "3.7", False),
        ("12.8.93", "12.0", True),
    ],
)
def test_a_release_compiles_for_what_nvidia_says(release: str, capability: str, can: bool) -> None:
    assert compiles_for(release, parse_architecture(capability)) is can


def test_a_list_for_all_releases_gains_and_drops_by_release() -> None:
    declared = Architectures.from_json({"": ["7.0", "8.0", "12.0+PTX"]})
    assert [str(item) for item in declared.of("12.8")] == ["7.0", "8.0", "12.0+PTX"]
    assert [str(item) for item in declared.of("13.0")] == ["8.0", "12.0+PTX"]
    # Where the last one with PTX is dropped, later GPUs still have some.
    assert [str(item) for item in declared.of("12.6")] == ["7.0", "8.0+PTX"]


def test_a_new_release_takes_the_list_of_the_one_before_it() -> None:
    declared = Architectures.from_json({"12.6": ["7.0", "9.0+PTX"], "12.8": ["7.0", "12.0+PTX"]})
    assert [str(item) for item in declared.of("12.7")] == ["7.0", "9.0+PTX"]
    assert [str(item) for item in declared.of("13.0")] == ["12.0+PTX"]
    assert declared.of("12.4") == ()


def test_recipes_get_the_spellings_of_pytorch_and_of_cmake() -> None:
    declared = Architectures.from_json({"12.6": ["8.0", "9.0+PTX"], "13.0": ["8.0-virtual"]})
    assert declared.values(["12.6", "13.0"]) == {
        "cuda_arch_list": ["8.0;9.0+PTX", "8.0+PTX"],
        "cmake_cuda_architectures": ["80-real;90", "80-virtual"],
    }


@pytest.mark.parametrize(
    ("lists", "what"),
    [
        ({"13.0": ["7.0"]}, "nvcc of CUDA 13.0 does not compile for 7.0"),
        ({"": ["8.0", "8.0+PTX"]}, "8.0 is there twice"),
        ({"": []}, "no architecture is given"),
        ({"twelve": ["8.0"]}, "no CUDA release"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(lists: dict[str, list[str]], what: str) -> None:
    with pytest.raises(ValueError, match=re.escape(what)):
        Architectures.from_json(lists)
