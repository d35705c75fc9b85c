from __future__ import annotations

import pytest

from core.values import World, catalog, columns, output, recipe
from wvforge_dagster.core.catalog import VariantId, make_catalog
from wvforge_dagster.core.platforms import fits
from wvforge_dagster.core.promotion import column_of
from wvforge_dagster.core.recipe import BrokenRecipe

ARM = "linux-aarch64"
LIB = recipe("lib")
PURE = recipe("pure", output("pure", noarch="python"))
TOOL = recipe("tool", host=["lib"], run=["pure"])


def world() -> World:
    return World(LIB, PURE, TOOL, further={ARM: (LIB, PURE, TOOL)})


def test_a_package_of_a_further_platform_is_named_with_it_and_a_noarch_one_is_there_once() -> None:
    assert list(world().catalog.packages) == ["lib", "linux-aarch64/lib", "pure", "linux-aarch64/tool", "tool"]


def test_a_package_needs_those_of_its_own_platform_and_noarch_ones() -> None:
    found = world().catalog
    assert found.packages["tool"].needs == (("lib", ("host",)), ("pure", ("run",)))
    assert found.packages["linux-aarch64/tool"].needs == (("linux-aarch64/lib", ("host",)), ("pure", ("run",)))


def test_a_recipe_that_a_further_platform_lacks_is_a_package_of_upstream_there() -> None:
    found = make_catalog((LIB, TOOL), columns(), ("linux-64", ARM), {ARM: (TOOL,)})
    assert found.packages["linux-aarch64/tool"].needs == ()


def test_only_what_is_not_noarch_of_a_recipe_with_both_is_built_on_a_further_platform() -> None:
    both = recipe("both", output("data", noarch="generic"), output("both", host=["data"]))
    found = make_catalog((both,), columns(), ("linux-64", ARM), {ARM: (both,)})
    assert [item.name for item in found.variants[VariantId("linux-aarch64/both")].outputs] == ["both"]
    assert found.packages["linux-aarch64/both"].needs == (("both", ("host",)),)


def test_a_fault_is_told_once_unless_only_a_further_platform_has_it() -> None:
    broken = BrokenRecipe("pkgs/lib/recipe/recipe.yaml", "lib", "no")
    everywhere = make_catalog((broken,), columns(), ("linux-64", ARM), {ARM: (broken,)})
    assert [package.fault for package in everywhere.packages.values()] == ["no"]
    there = make_catalog((LIB,), columns(), ("linux-64", ARM), {ARM: (broken,)})
    assert {name: package.fault for name, package in there.packages.items()} == {"lib": None, "linux-aarch64/lib": "no"}


def test_a_cycle_of_one_platform_leaves_the_other_alone() -> None:
    circle = (recipe("lib", host=["tool"]), TOOL)
    found = make_catalog((LIB, TOOL), columns(), ("linux-64", ARM), {ARM: circle})
    assert {name for name, package in found.packages.items() if package.fault} == {
        "linux-aarch64/lib",
        "linux-aarch64/tool",
    }


def test_what_cannot_be_built_here_is_elsewhere_with_its_platform_and_what_it_would_be() -> None:
    status = world().status("linux-aarch64/lib")
    assert status.state.value == "elsewhere"
    assert status.reason == "is built on a linux-aarch64 machine, and this one is linux-64; missing: never built"
    assert status.expected[0].parts["platform"] == ARM
    assert "missing: never built; builds against linux-aarch64/lib" in world().status("linux-aarch64/tool").reason


def test_a_further_platform_changes_no_digest_of_the_first() -> None:
    alone, both = World(LIB, PURE, TOOL), world()
    for name in ("lib", "pure"):
        assert both.status(name).input_digest == alone.status(name).input_digest
        assert both.status(name).want == alone.status(name).want


def test_what_another_machine_published_is_published_and_is_not_taken_for_this_ones() -> None:
    made = world()
    made.build("linux-aarch64/lib")
    assert made.states() == {
        "lib": "missing",
        "linux-aarch64/lib": "published",
        "pure": "missing",
        "linux-aarch64/tool": "elsewhere",
        "tool": "missing",
    }


def test_a_package_of_a_platform_that_was_taken_out_is_retired() -> None:
    made = world()
    made.build("linux-aarch64/lib")
    made.further = {}
    assert made.status("linux-aarch64/lib").state.value == "retired"
    assert made.status("linux-aarch64/lib").reason.startswith("linux-aarch64 is not in forge.yaml any more")


def test_what_another_machine_staged_is_not_published_from_here() -> None:
    made = world()
    made.build("linux-aarch64/lib", publish=False)
    status = made.status("linux-aarch64/lib")
    assert (status.state.value, status.goes_to, status.with_column) == ("staged", (), ())


def test_a_column_is_whole_without_what_another_machine_builds() -> None:
    made = world()
    for name in ("lib", "pure", "tool"):
        made.build(name)
    assert column_of(made.catalog, made.statuses(), "12.6|3.11").progress == "3 of 3"


def test_what_is_skipped_on_one_platform_says_by_which_condition() -> None:
    skipped = recipe("lib", output("lib", skip="aarch64"))
    made = World(LIB, further={ARM: (skipped,)})
    assert made.status("linux-aarch64/lib").state.value == "skipped"
    assert made.status("linux-aarch64/lib").reason == "skipped by the recipe: aarch64"


@pytest.mark.parametrize(
    ("package", "pattern", "expected"),
    [
        ("cumm", "cumm", True),
        ("linux-aarch64/cumm", "cumm", True),
        ("linux-aarch64/cumm", "linux-aarch64/*", True),
        ("cumm", "linux-aarch64/*", False),
    ],
)
def test_a_pattern_means_a_package_on_every_platform_or_on_one(package: str, pattern: str, expected: bool) -> None:
    assert fits(package, pattern) is expected


def test_the_platform_folder_of_a_file_says_which_package_it_is_of() -> None:
    found = catalog(LIB)
    assert found.identity_of("linux-64/lib", "", "linux-64") == VariantId("lib")
    assert found.identity_of("lib", "", ARM) == VariantId("linux-aarch64/lib")
    assert found.identity_of("lib", "", "noarch") == VariantId("lib")
