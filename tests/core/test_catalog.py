from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.values import catalog, columns, output, recipe
from wvforge_dagster.core.catalog import Catalog, PackageVariant, VariantId
from wvforge_dagster.core.columns import Dimensions
from wvforge_dagster.core.recipe import BrokenRecipe

NAMES = "abcdefgh"
SECTION = st.sampled_from(["build", "host", "run", "test"])
EDGES = st.sets(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), SECTION), max_size=20)
Edges = set[tuple[str, str, str]]


def of_edges(edges: Edges) -> Catalog:
    """A forge in which the first of each edge requires the second in a section."""
    sections: dict[str, dict[str, list[str]]] = {name: {} for name in NAMES}
    for name, other, section in sorted(edges):
        sections[name].setdefault(section, []).append(other)
    return catalog(*(recipe(name, **found) for name, found in sections.items()), dimensions=Dimensions())


def reachable(edges: Edges, start: str) -> set[str]:
    found: set[str] = set()
    queue = [start]
    while queue:
        name = queue.pop()
        more = {other for one, other, _ in edges if one == name} - found
        found |= more
        queue += more
    return found


@given(EDGES)
def test_packages_and_variants_come_after_everything_that_they_need(edges: Edges) -> None:
    made = of_edges({edge for edge in edges if edge[0] > edge[1]})
    packages, variants = list(made.packages), list(made.variants)
    for name, other, _ in edges:
        if name > other:
            assert packages.index(other) < packages.index(name)
            assert made.packages[other].level < made.packages[name].level
    for identity, variant in made.variants.items():
        for needed in (*variant.builds_against, *variant.runs_with):
            assert variants.index(needed) < variants.index(identity)
    assert not any(package.fault for package in made.packages.values())


@given(EDGES)
def test_exactly_the_packages_on_a_cycle_have_a_fault_that_names_their_file(edges: Edges) -> None:
    made = of_edges(edges)
    assert set(made.packages) == set(NAMES)
    for name, package in made.packages.items():
        if name in reachable(edges, name):
            assert package.fault is not None
            assert package.path in package.fault
        else:
            assert package.fault is None


@given(EDGES)
def test_a_cycle_keeps_the_rest_in_order(edges: Edges) -> None:
    made = of_edges(edges)
    order = list(made.packages)
    for name, package in made.packages.items():
        assert all(order.index(other) < order.index(name) for other in package.needed_names)


def test_a_cycle_names_both_files_in_its_order() -> None:
    made = catalog(recipe("a", host=["b"]), recipe("b", run=["a"]), recipe("c", host=["a"]))
    words = (
        "dependency cycle: a (pkgs/a/recipe/recipe.yaml) -> b (pkgs/b/recipe/recipe.yaml) -> "
        "a (pkgs/a/recipe/recipe.yaml); remove one of these requirements"
    )
    assert made.packages["a"].fault == made.packages["b"].fault == words
    assert made.packages["c"].fault is None


def test_a_package_that_needs_itself_is_named() -> None:
    made = catalog(recipe("a", host=["a"]), recipe("b"))
    assert made.packages["a"].fault == "pkgs/a/recipe/recipe.yaml: requirements: a depends on itself; " + (
        "remove that requirement"
    )
    assert made.packages["b"].fault is None


def test_two_recipes_of_one_name_are_both_named() -> None:
    made = catalog(recipe("a", path="pkgs/x/recipe.yaml"), recipe("a", path="pkgs/y/recipe.yaml"), recipe("b"))
    fault = made.packages["a"].fault
    assert fault is not None
    assert "pkgs/x/recipe.yaml and pkgs/y/recipe.yaml" in fault
    assert made.packages["b"].fault is None


def test_names_that_differ_in_case_are_one_name() -> None:
    made = catalog(recipe("Foo", path="pkgs/Foo/recipe.yaml"), recipe("foo", path="pkgs/foo/recipe.yaml"))
    for name in ("Foo", "foo"):
        fault = made.packages[name].fault
        assert fault is not None
        assert "pkgs/Foo/recipe.yaml and pkgs/foo/recipe.yaml" in fault


def test_an_output_of_anothers_name_is_a_clash_for_both() -> None:
    made = catalog(recipe("a"), recipe("m", output("m"), output("a")))
    for name in ("a", "m"):
        fault = made.packages[name].fault
        assert fault is not None
        assert "pkgs/a/recipe/recipe.yaml and pkgs/m/recipe/recipe.yaml" in fault


def test_a_broken_recipe_keeps_its_place_and_reason() -> None:
    made = catalog(BrokenRecipe("pkgs/bad/recipe.yaml", "bad", "pkgs/bad/recipe.yaml: why"), recipe("a", host=["bad"]))
    assert made.packages["bad"].fault == "pkgs/bad/recipe.yaml: why"
    assert made.packages["a"].needed_names == ("bad",)
    assert made.packages["a"].fault is None
    assert made.variants[VariantId("a")].builds_against == (VariantId("bad"),)


def test_levels_are_distances_from_the_packages_without_local_dependencies() -> None:
    made = catalog(
        recipe("pccm", host=["python"]),
        recipe("cumm", host=["pccm"]),
        recipe("spconv", host=["cumm", "pccm"]),
        recipe("moge"),
    )
    assert made.levels() == (("moge", "pccm"), ("cumm",), ("spconv",))


def test_an_empty_forge_is_a_catalog() -> None:
    assert catalog().levels() == ()
    assert not catalog().variants


def each_python(name: str, *, cuda: bool = True, **requirements: list[str]) -> tuple[object, ...]:
    return tuple(
        output(name, variant={"python": python} | ({"cuda_version": version} if cuda else {}), **requirements)
        for python in ("3.11", "3.12")
        for version in (("12.6", "12.8") if cuda else ("",))
    )


def variants_of(made: Catalog, name: str) -> list[PackageVariant]:
    return [variant for identity, variant in made.variants.items() if identity.package == name]


def test_columns_are_those_that_a_recipe_uses() -> None:
    made = catalog(
        recipe("none"),
        recipe("py", *each_python("py", cuda=False)),  # type: ignore[arg-type]
        recipe("both", *each_python("both")),  # type: ignore[arg-type]
    )
    assert [variant.id.partition for variant in variants_of(made, "none")] == [""]
    assert [variant.id.partition for variant in variants_of(made, "py")] == ["3.11", "3.12"]
    assert [variant.id.partition for variant in variants_of(made, "both")] == list(columns().keys())


def test_a_package_variant_needs_those_that_agree_with_its_column() -> None:
    made = catalog(
        recipe("none"),
        recipe("py", *each_python("py", cuda=False)),  # type: ignore[arg-type]
        recipe("both", *each_python("both", host=["py", "none"], run=["py"])),  # type: ignore[arg-type]
        recipe("top", run=["both"]),
    )
    both = made.variants[VariantId("both", "12.6|3.12")]
    assert both.builds_against == (VariantId("none"), VariantId("py", "3.12"))
    assert both.runs_with == ()
    assert made.variants[VariantId("top")].runs_with == tuple(VariantId("both", key) for key in columns().keys())


def test_skipped_and_untaken_partitions_say_why() -> None:
    made = catalog(
        recipe(
            "a",
            output("a", variant={"python": "3.11"}, skip='match(python, "<3.12")'),
            output("a", variant={"python": "3.12"}),
        ),
        recipe("b", output("b", variant={"python": "3.12"})),
    )
    assert made.variants[VariantId("a", "3.11")].skip == 'skipped by the recipe: match(python, "<3.12")'
    assert made.variants[VariantId("a", "3.12")].skip is None
    assert made.variants[VariantId("b", "3.11")].skip == "the recipe does not take this variant"


def test_variants_that_differ_in_other_keys_share_a_partition() -> None:
    made = catalog(
        recipe("a", *(output("a", variant={"python": "3.12", "abi": abi}) for abi in ("0", "1"))),
    )
    assert [dict(item.variant)["abi"] for item in made.variants[VariantId("a", "3.12")].outputs] == ["0", "1"]


@pytest.mark.parametrize("order", [("lib", "tool", "py"), ("py", "tool", "lib")])
def test_outputs_come_after_the_siblings_that_they_require(order: tuple[str, ...]) -> None:
    needs = {"lib": [], "tool": ["lib"], "py": ["tool", "lib"]}
    made = catalog(recipe("m", *(output(name, host=needs[name]) for name in order)))
    assert [item.name for item in made.variants[VariantId("m")].outputs] == ["lib", "tool", "py"]
    assert made.packages["m"].needs == ()


def test_a_requirement_of_an_output_is_one_of_its_recipe() -> None:
    made = catalog(recipe("m", output("lib"), output("tool")), recipe("a", host=["tool"]))
    assert made.packages["a"].needs == (("m", ("host",)),)
    assert made.provider["tool"] == "m"


def test_two_columns_that_would_be_one_file_are_a_fault_of_the_recipe() -> None:
    outputs = [replace(output("a", variant={"python": python}), build_string="custom") for python in ("3.11", "3.12")]
    made = catalog(recipe("a", *outputs), recipe("b"))
    assert "build.string: 'custom' is the same in several columns" in str(made.packages["a"].fault)
    assert made.packages["b"].fault is None
