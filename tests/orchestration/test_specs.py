"""What environments require before anything is built."""

from __future__ import annotations

import pytest
from core.values import catalog, output, recipe

from wvforge_dagster.core.catalog import Catalog, VariantId
from wvforge_dagster.core.recipe import Output, Requirement
from wvforge_dagster.orchestration.specs import environments_before_a_build, expected_entries, needed_variants


def with_test(made: Output) -> Output:
    made.rendered["tests"] = [{"script": ["true"]}]
    return made


def sections(found: Catalog, package: str, partition: str = "") -> dict[str, list[str]]:
    variant = found.variants[VariantId(package, partition)]
    return {name: list(specs) for name, specs in environments_before_a_build(variant)}


@pytest.mark.parametrize(
    ("value", "spec"),
    [
        ("3.12", "python 3.12.*"),
        ("3.12.*", "python 3.12.*"),
        ("3.12.* *_cpython", "python 3.12.* *_cpython"),
        (">=3.12", "python >=3.12"),
    ],
)
def test_a_bare_requirement_takes_the_value_of_its_variant_key(value: str, spec: str) -> None:
    made = output("a", variant={"python": value}, host=["python", "numpy"])
    assert sections(catalog(recipe("a", made)), "a", "3.12") == {"host": [spec, "numpy"]}


def test_a_key_with_an_underscore_is_the_value_of_a_name_with_a_dash() -> None:
    made = output("a", variant={"cuda_version": "12.6"}, host=["cuda-version"])
    assert sections(catalog(recipe("a", made)), "a", "12.6") == {"host": ["cuda-version 12.6.*"]}


def test_a_requirement_with_a_version_of_its_own_keeps_it() -> None:
    made = output("a", variant={"python": "3.12"}, host=["python >=3.9"])
    assert sections(catalog(recipe("a", made)), "a", "3.12") == {"host": ["python >=3.9"]}


def test_the_run_environment_counts_where_tests_run_in_it_and_a_pin_is_its_package() -> None:
    made = output("a", variant={"python": "3.12"}, build=["gcc"], run=["python"])
    made.requirements["run"] = (Requirement("python", "pin_compatible(python)"), Requirement("fire", "fire >=1"))
    assert sections(catalog(recipe("a", made)), "a", "3.12") == {"build": ["gcc"]}
    assert sections(catalog(recipe("a", with_test(made))), "a", "3.12") == {
        "build": ["gcc"],
        "run": ["python 3.12.*", "fire >=1"],
    }


def test_siblings_are_left_out_and_each_output_has_an_environment_of_its_own() -> None:
    made = catalog(recipe("m", output("lib", host=["zlib"]), output("tool", host=["lib", "curl"])))
    variant = made.variants[VariantId("m")]
    assert environments_before_a_build(variant) == (("host", ("zlib",)), ("host", ("curl",)))


def test_what_is_needed_comes_with_what_that_needs_to_run_in_the_same_column() -> None:
    both = [output("gpu", variant={"cuda_version": cuda}, run=["pure"]) for cuda in ("12.6", "12.8")]
    high = [output("high", variant={"cuda_version": cuda}, host=["gpu"]) for cuda in ("12.6", "12.8")]
    found = catalog(recipe("pure"), recipe("gpu", *both), recipe("high", *high), recipe("other"))
    needed = needed_variants(found, found.variants[VariantId("high", "12.6")])
    assert needed == (VariantId("gpu", "12.6"), VariantId("pure"))
    entries = expected_entries(found, needed)
    assert list(entries["linux-64"]) == ["gpu-1.0-hc2b5a36_0.conda", "pure-1.0-h0_0.conda"]
    assert entries["linux-64"]["gpu-1.0-hc2b5a36_0.conda"]["depends"] == ["pure"]


def test_a_noarch_package_is_listed_in_noarch() -> None:
    found = catalog(recipe("a", output("a", noarch="generic")))
    assert list(expected_entries(found, [VariantId("a")])["noarch"]) == ["a-1.0-h0_0.conda"]
