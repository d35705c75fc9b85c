"""Thirty recipes of mixed kinds, built: each in its state, as the engine has it; what changed rebuilt, and nothing else."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest
import rattler_build as engine
from rattler_build.tool_config import PlatformConfig
from small_forge import SmallForge
from thirty_recipes import REASONS, RECIPES, STATES, make_thirty

from orchestration.making import published
from orchestration.test_command import run

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Built:
    """The forge after its first build, and what that build said."""

    forge: SmallForge
    said: str
    filenames: tuple[str, ...]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    forge = make_thirty(tmp_path_factory.mktemp("thirty"))
    done = run(forge, "build", "--jobs", "2")
    assert done.returncode == 1, done.stdout + done.stderr
    return Built(forge, done.stderr, tuple(published(forge)))


def rows(forge: SmallForge) -> list[dict[str, Any]]:
    done = run(forge, "status", "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def made(said: str) -> set[str]:
    """What a build tried to make, by its own words."""
    return set(re.findall(r"^making +(\S+): ", said, re.MULTILINE))


def test_the_forge_has_thirty_recipes_and_a_state_for_each() -> None:
    assert len(RECIPES) == 30
    assert STATES.keys() == RECIPES.keys()


def test_each_package_variant_is_in_its_state_with_its_reason(built: Built) -> None:
    found: dict[str, dict[str | None, str]] = {}
    for row in rows(built.forge):
        found.setdefault(row["package"], {})[row["partition"]] = row["state"]
        if row["package"] in REASONS:
            assert REASONS[row["package"]] in row["reason"]
    assert found == STATES
    assert "Traceback" not in built.said


def test_the_published_files_are_those_that_the_engine_renders(built: Built) -> None:
    forge = built.forge
    oracle = set()
    for name, states in STATES.items():
        path = forge.root / f"pkgs/{name}/recipe/recipe.yaml"
        own = path.with_name("variants.yaml")
        config = engine.VariantConfig.from_files([forge.root / "variants.yaml", *([own] if own.exists() else [])])
        if "published" not in states.values():
            continue
        platform = engine.RenderConfig(platform=PlatformConfig(target_platform="linux-64"))
        for variant in engine.Stage0Recipe.from_file(path).render(config, platform):
            python = str(variant.variant.get("python", ""))
            # The bindings do not apply skip conditions.
            if name == "old-skipped" and python == "3.12":
                continue
            recipe = variant.recipe
            oracle.add(f"{recipe.package.name}-{recipe.package.version}-{recipe.build.string}.conda")
    assert set(built.filenames) == oracle


def test_a_second_build_makes_what_changed_and_what_that_changes_and_nothing_else(built: Built) -> None:
    forge = built.forge
    forge.edit("gen-a", "echo gen-a ", "echo gen-a changed")
    forge.write("variants.yaml", (forge.root / "variants.yaml").read_text().replace('"14"', '"15"'))
    forge.edit("broken-script", "./absent-configure --prefix=$PREFIX", RECIPES["gen-a"].split("['")[1].split("']")[0])
    forge.edit("broken-script", "gen-a", "broken-script")
    done = run(forge, "build", "--jobs", "2")
    assert done.returncode == 1, done.stdout + done.stderr
    assert made(done.stderr) == {"gen-a", "gen-b", "gen-c", "cu-zip[13.0]", "broken-script", "on-broken"}
    after = {(row["package"], row["partition"]): row for row in rows(forge)}
    expected = {(name, partition): state for name, found in STATES.items() for partition, state in found.items()}
    expected |= {("broken-script", None): "published", ("on-broken", None): "published"}
    assert {key: row["state"] for key, row in after.items()} == expected
    new = set(published(forge)) - set(built.filenames)
    assert {name.rsplit("-", 2)[0] for name in new} == {"gen-a", "gen-b", "cu-zip", "broken-script", "on-broken"}
    assert len(new) == 5
    assert not made(run(forge, "build", "--jobs", "2").stderr)
