"""What holds for every forge: forges made at random, as values and on disk."""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

import dagster as dg
import pytest
from core.values import World, catalog, columns, output, recipe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_forge import SmallForge

from wvforge_dagster.build.render import _requirement
from wvforge_dagster.core.columns import Dimensions, forge_dimensions, matches
from wvforge_dagster.core.digest import digest_tree
from wvforge_dagster.core.numbers import taken_numbers
from wvforge_dagster.core.recipe import BrokenRecipe, Output, Recipe
from wvforge_dagster.orchestration.evidence import derive_statuses
from wvforge_dagster.orchestration.partitions import partition_mapping, partitions_definition

RECIPES = "abcdefg"
OUTPUTS = tuple(f"{name}{suffix}" for name in RECIPES for suffix in ("", "-lib"))
COLUMNS = columns()
USES = st.sampled_from([(), ("python",), ("cuda",), ("cuda", "python")])
NEEDS = st.dictionaries(
    st.sampled_from(["build", "host", "run", "test"]), st.sets(st.sampled_from(OUTPUTS), max_size=2), max_size=2
)


@dataclass(frozen=True)
class Drawn:
    """A forge as it is drawn: for each recipe the dimensions that it uses, and what its two outputs need; or it is broken."""

    uses: dict[str, tuple[str, ...]]
    needs: dict[str, dict[str, set[str]]]
    broken: set[str]

    def recipes(self) -> list[Recipe | BrokenRecipe]:
        return [
            BrokenRecipe(f"pkgs/{n}/recipe.yaml", n, "why") if n in self.broken else self._recipe(n) for n in RECIPES
        ]

    def _recipe(self, name: str) -> Recipe:
        used = COLUMNS.only(self.uses[name])
        keys = {"cuda": "cuda_version", "python": "python"}
        found: list[Output] = []
        for key in used.keys():
            variant = {keys[dimension]: value for dimension, value in used.split(key).items()}
            for part in (name, f"{name}-lib"):
                # Siblings' circles are the engine's to find: it does not render them.
                wanted = {
                    section: sorted(n for n in names if n[0] != name) for section, names in self.needs[part].items()
                }
                found.append(output(part, variant=variant, **wanted))
        return recipe(name, *found)

    def edges(self) -> dict[str, set[str]]:
        """The recipes that each recipe needs. The outputs of a broken one are not known, but for the one of its name."""
        return {name: set() if name in self.broken else self._needed(name) for name in RECIPES}

    def _needed(self, name: str) -> set[str]:
        wanted = {n for part in (name, f"{name}-lib") for names in self.needs[part].values() for n in names}
        return {n[0] for n in wanted if n[0] != name and (n[0] not in self.broken or n == n[0])}


FORGES = st.builds(
    Drawn,
    uses=st.fixed_dictionaries(dict.fromkeys(RECIPES, USES)),
    needs=st.fixed_dictionaries(dict.fromkeys(OUTPUTS, NEEDS)),
    broken=st.sets(st.sampled_from(RECIPES), max_size=1),
)


def on_circles(edges: dict[str, set[str]]) -> set[str]:
    """The recipes that reach themselves."""
    found = set()
    for start, needed in edges.items():
        seen: set[str] = set()
        queue = list(needed)
        while queue:
            name = queue.pop()
            if name not in seen:
                seen.add(name)
                queue += edges[name]
        if start in seen:
            found.add(start)
    return found


@settings(max_examples=30)
@given(FORGES)
def test_the_order_is_one_in_which_everything_can_be_built(drawn: Drawn) -> None:
    made = catalog(*drawn.recipes())
    order = {identity: position for position, identity in enumerate(made.variants)}
    assert {identity.package for identity in order} == set(RECIPES)
    for identity, variant in made.variants.items():
        column = made.packages[identity.package].dimensions.split(identity.partition)
        for other in (*variant.builds_against, *variant.runs_with):
            assert order[other] < order[identity]
            assert made.packages[other.package].level < made.packages[identity.package].level
            assert matches(made.packages[other.package].dimensions.split(other.partition), column)
        assert not set(variant.builds_against) & set(variant.runs_with)


@settings(max_examples=30)
@given(FORGES)
def test_circles_are_always_found_and_named_and_nothing_else_is_called_one(drawn: Drawn) -> None:
    made = catalog(*drawn.recipes())
    edges = drawn.edges()
    circles = on_circles(edges)
    for name, package in made.packages.items():
        if name in drawn.broken:
            assert package.fault == "why"
        elif name in circles:
            assert package.fault is not None and package.fault.startswith("dependency cycle: ")
            named = [word.split(" (")[0] for word in package.fault.removeprefix("dependency cycle: ").split(" -> ")]
            assert name in named
            assert all(other in edges[one] for one, other in pairwise(named))
        else:
            assert package.fault is None
    try:
        TopologicalSorter({name: set(package.needed_names) for name, package in made.packages.items()}).prepare()
    except CycleError:
        pytest.fail("a circle is left in the graph")


@settings(max_examples=20)
@given(FORGES, st.randoms(use_true_random=False))
def test_catalog_states_and_digests_do_not_depend_on_the_order_of_listing(
    drawn: Drawn, randomness: random.Random
) -> None:
    recipes = drawn.recipes()
    shuffled = list(recipes)
    randomness.shuffle(shuffled)
    one, other = catalog(*recipes), catalog(*shuffled)
    assert one == other
    assert list(one.variants) == list(other.variants)
    first, second = World(*recipes), World(*shuffled)
    assert [*first.statuses().items()] == [*second.statuses().items()]


LABELS = st.lists(st.text(min_size=1, max_size=10), min_size=1, max_size=4)


@given(st.dictionaries(st.sampled_from(["cuda_version", "python"]), LABELS))
def test_partition_keys_are_those_of_dagster_and_convert_both_ways(values: dict[str, list[str]]) -> None:
    dimensions = forge_dimensions(values)
    definition = partitions_definition(dimensions)
    if definition is None:
        assert dimensions.keys() == ("",)
        return
    assert sorted(definition.get_partition_keys()) == sorted(dimensions.keys())
    for key in dimensions.keys():
        split = dimensions.split(key)
        if len(split) == 2:
            assert str(dg.MultiPartitionKey(dict(split))) == key
        else:
            assert [*split.values()] == [key]


@settings(max_examples=20)
@given(USES, USES)
def test_dagster_maps_the_partitions_that_the_catalog_maps(mine: tuple[str, ...], theirs: tuple[str, ...]) -> None:
    made = catalog(
        recipe("low", *_outputs("low", COLUMNS.only(theirs))),
        recipe("up", *_outputs("up", COLUMNS.only(mine), host=["low"])),
    )
    upstream, downstream = partitions_definition(COLUMNS.only(theirs)), partitions_definition(COLUMNS.only(mine))
    mapping = partition_mapping(COLUMNS.only(mine), COLUMNS.only(theirs))
    if upstream is None or downstream is None or mapping is None:
        return
    for identity, variant in made.variants.items():
        if identity.package == "up":
            found = mapping.get_upstream_mapped_partitions_result_for_partitions(
                downstream.subset_with_partition_keys([identity.partition]), downstream, upstream
            )
            assert set(found.partitions_subset.get_partition_keys()) == {
                other.partition for other in variant.builds_against
            }


def _outputs(name: str, used: Dimensions, **needs: list[str]) -> list[Output]:
    keys = {"cuda": "cuda_version", "python": "python"}
    return [output(name, variant={keys[d]: v for d, v in used.split(key).items()}, **needs) for key in used.keys()]


NAME = st.from_regex(r"[a-z0-9_][a-z0-9_.-]{0,20}", fullmatch=True)
VERSION = st.from_regex(r"[0-9]{1,3}(\.[0-9a-z]{1,4}){0,3}", fullmatch=True)


@given(
    NAME,
    VERSION,
    st.sampled_from(["", " ", " >=", ">=", "==", " ==", "~=", " !=", "="]),
    st.sampled_from(["", "main::", "a/b::"]),
)
def test_a_requirement_is_known_by_its_name_however_it_is_written(
    name: str, version: str, sign: str, channel: str
) -> None:
    spec = f"{channel}{name}{sign}{version if sign else ''}"
    assert _requirement(spec).name == name
    assert _requirement(f"{channel}{name}[version='{version}']").name == name
    assert _requirement({"pin_subpackage": {"name": name}}).name == name


SERIES = st.from_regex(r"[a-z0-9]{1,12}(_[a-z]{1,4})?", fullmatch=True)


@given(NAME, VERSION, SERIES, st.integers(0, 99), st.lists(st.integers(0, 99), max_size=5))
def test_every_number_of_a_series_is_found_in_filenames_and_those_of_others_are_not(
    name: str, version: str, series: str, number: int, taken: list[int]
) -> None:
    mine = [f"{name}-{version}-{series}_{other}.conda" for other in taken]
    others = [
        f"{name}-{version}.1-{series}_1.conda",
        f"{name}x-{version}-{series}_2.conda",
        f"{name}-{version}-x{series}_3.conda",
    ]
    assert taken_numbers(name, version, f"{series}_{number}", number, [*mine, *others]) == taken


FILES = st.dictionaries(
    st.from_regex(r"[a-z]{1,6}(/[a-z]{1,6}){0,2}\.txt", fullmatch=True), st.binary(max_size=30), min_size=1, max_size=6
)


@settings(max_examples=4, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(FILES, st.randoms(use_true_random=False))
def test_digests_of_a_forge_on_disk_depend_on_nothing_but_content(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], randomness: random.Random
) -> None:
    folders = [tmp_path_factory.mktemp(name) for name in ("one", "somewhere-else")]
    found = []
    for position, folder in enumerate(folders):
        forge = SmallForge(folder)
        names = [f"pkgs/{package}/recipe/files/{name}" for package in ("a", "b") for name in files]
        names += [f"src/{name}" for name in files]
        if position:
            randomness.shuffle(names)
            forge.write("README.md", "nothing that a recipe uses")
            forge.write("pkgs/a/notes.txt", "beside the recipe's folder")
            forge.write("pkgs/a/recipe/__pycache__/x.pyc", "")
        for name in names:
            path = forge.write(name, files[name.split("/files/")[-1].removeprefix("src/")])
            os.utime(path, (position * 10**8, position * 10**9))
            path.chmod(0o600 if position else 0o644)
        forge.package("a", more="source: {path: ../../../src}\n")
        forge.package("b", host=("a",))
        found.append({i: (s.state, s.want, s.input_digest) for i, s in derive_statuses(forge.open()).items()})
        found[-1]["src"] = digest_tree(folder / "src")  # type: ignore[index, assignment]
    assert found[0] == found[1]
    for folder in folders:
        shutil.rmtree(folder)
