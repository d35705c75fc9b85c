"""How far a column is, and what of that which is in its way would set most free."""

from __future__ import annotations

import pytest

from core.values import World, columns, output, recipe
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.migration import Migration, migration_keys, migration_of, missing_upstream

CUDA = ("12.6", "13.0")


def cuda_recipe(name: str, *host: str):  # type: ignore[no-untyped-def]
    return recipe(name, *(output(name, variant={"cuda_version": cuda}, host=host) for cuda in CUDA))


@pytest.fixture
def world() -> World:
    """`core` is built in both columns, the rest in the old one; in the new one `ops` fails and `net` misses `nccl`."""
    made = World(
        recipe("base"),
        cuda_recipe("core", "base"),
        cuda_recipe("ops", "core"),
        cuda_recipe("net", "core"),
        cuda_recipe("top", "ops", "net"),
        cuda_recipe("last", "ops"),
        dimensions=columns(python=(), cuda=CUDA).only(["cuda"]),
    )
    for cuda in CUDA:
        if cuda == "12.6":
            made.build_all()
    made.staged = [item for item in made.staged if item.name in ("base", "core") or item.record.partition == "12.6"]
    made.fail("ops", "13.0", failure=Failure(FailureClass.SCRIPT, "build script failed: error: no member"))
    missing = "its host environment cannot be solved: nccl is missing upstream (No candidates were found for nccl >=2.)"
    made.fail("net", "13.0", failure=Failure(FailureClass.SOLVE, missing))
    return made


def followed(world: World, key: str) -> Migration:
    return migration_of(world.catalog, world.statuses(), key)


def test_each_package_variant_of_a_column_is_in_one_group(world: World) -> None:
    groups = {name: [s.id.package for s in found] for name, found in followed(world, "13.0").groups.items()}
    assert groups == {
        "published": ["base", "core"],
        "building": [],
        "waiting": [],
        "failed": ["ops"],
        "unsolvable": ["net"],
        "blocked": ["last", "top"],
        "skipped": [],
    }


def test_what_holds_up_most_comes_first_with_what_it_alone_holds_up(world: World) -> None:
    found = followed(world, "13.0").obstacles
    told = [(o.kind, o.name, [i.package for i in o.holds_up], [i.package for i in o.alone]) for o in found]
    assert told == [
        ("failed", "ops", ["ops", "last", "top"], ["ops", "last"]),
        ("missing", "nccl", ["net", "top"], ["net"]),
    ]


def test_a_column_that_is_done_has_no_obstacle(world: World) -> None:
    assert followed(world, "12.6").obstacles == ()


def test_columns_and_single_values_can_be_followed_and_others_are_named() -> None:
    assert migration_keys(columns(("3.12",), CUDA)) == {
        "12.6": {"cuda": "12.6"},
        "13.0": {"cuda": "13.0"},
        "3.12": {"python": "3.12"},
        "12.6|3.12": {"cuda": "12.6", "python": "3.12"},
        "13.0|3.12": {"cuda": "13.0", "python": "3.12"},
    }
    with pytest.raises(ForgeError, match=r"no column '14'; it has '12.6'"):
        migration_of(World(recipe("a")).catalog, {}, "14")


@pytest.mark.parametrize(
    ("reason", "name"),
    [
        ("its host environment cannot be solved: nccl is missing upstream (it is ...)", "nccl"),
        ("cannot be solved: No candidates were found for cuda-nvcc 13.9.*.", "cuda-nvcc"),
        ("cannot be solved: a 1.0 conflicts with b", None),
    ],
)
def test_the_missing_package_is_found_in_the_reason(reason: str, name: str | None) -> None:
    assert missing_upstream(reason) == name
