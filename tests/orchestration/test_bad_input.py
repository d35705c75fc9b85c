"""What strangers' forges hold, through the real command: one line of plain words for each, and everything else goes on."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pytest
from bad_recipes import BAD_RECIPES
from small_forge import SmallForge

from orchestration.test_command import COMMAND
from wvforge_dagster.build.limits import RENDER_MEMORY
from wvforge_dagster.orchestration.code_location import forge_definitions
from wvforge_dagster.orchestration.keys import package_key

OTHER_LANGUAGES = re.compile(
    r"Traceback|Py[A-Z]\w+|\b\w+Exception\b|\[Errno|os error|Some\(|\bNone\b|Span|\w+ \{ |object at 0x|<string>|\\x|non-mapping"
)
SECONDS = 10.0
"""Of processor time, for all of them: how long it takes depends on what else the machine does."""

MEASURE = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:]).returncode
took = resource.getrusage(resource.RUSAGE_CHILDREN)
print(took.ru_utime + took.ru_stime, took.ru_maxrss * 1024, file=sys.stderr)
sys.exit(status)
"""

GOOD = ("aaa-good", "crlf", "upper", "zzz-good")


@dataclass(frozen=True)
class Looked:
    """What ``wvforge status --json`` said of a forge of bad recipes and good ones, and what it took.

    Attributes:
        seconds: of processor time, of the command and all that it started.
        memory: bytes, of the one process that held most.
    """

    forge: SmallForge
    rows: Mapping[str, Mapping[str, Any]]
    stderr: list[str]
    seconds: float
    memory: float


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> Looked:
    root = tmp_path_factory.mktemp("forge")
    forge = SmallForge(root)
    keys = {"thirty": 30, "forty": 40} | {f"k{i}": 30 for i in (1, 2, 3)}
    forge.write("variants.yaml", json.dumps({key: [str(i) for i in range(count)] for key, count in keys.items()}))
    forge.configure(channels=[], variants=["variants.yaml"])
    for name, bad in BAD_RECIPES.items():
        bad.write(forge, name)
    forge.package("aaa-good")
    forge.package("zzz-good", host=("aaa-good",))
    forge.recipe("crlf", "package: {name: crlf, version: '1'}\r\nbuild: {noarch: generic}\r\n")
    forge.recipe("upper", "package: {name: Upper, version: 1.10}\n")
    for name in ("twin", "circle-a", "syntax"):
        forge.package(f"on-{name}", host=(name,))
    # Links that lead to what is there already are no other recipes.
    (root / "pkgs/again").symlink_to("aaa-good")
    (root / "pkgs/loop").symlink_to(root / "pkgs")
    (root / "pkgs/zzz-good/recipe/up").symlink_to("..")
    for number in range(5000):
        forge.write(f"pkgs/aaa-good/recipe/data/{number}", str(number))
    forge.write("pkgs/shared/tool.sh", "")
    (root / "pkgs/left/__pycache__").mkdir(parents=True)
    command = [sys.executable, "-c", MEASURE, *COMMAND, "--forge", str(root), "status", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    *said, measured = done.stderr.splitlines()
    assert done.returncode == 0, done.stderr
    seconds, memory = map(float, measured.split())
    return Looked(forge, {row["package"]: row for row in json.loads(done.stdout)}, said, seconds, memory)


@pytest.mark.parametrize("name", BAD_RECIPES)
def test_a_bad_recipe_is_failed_with_its_file_fault_and_remedy_in_one_plain_line(looked: Looked, name: str) -> None:
    bad = BAD_RECIPES[name]
    row = looked.rows[bad.name or name]
    assert (row["state"], row["filename"]) == ("failed", None)
    reason = row["reason"]
    assert (bad.file or f"pkgs/{name}/recipe/recipe.yaml") in reason
    assert bad.words in reason
    assert len(reason) < 600
    assert "\n" not in reason
    assert not OTHER_LANGUAGES.search(reason)


def test_bad_recipes_take_no_others_along_but_what_needs_them(looked: Looked) -> None:
    others = {name: row["state"] for name, row in looked.rows.items()}
    for name, bad in BAD_RECIPES.items():
        others.pop(bad.name or name, None)
    blocked = dict.fromkeys(("on-twin", "on-circle-a", "on-syntax"), "blocked")
    assert others == dict.fromkeys(GOOD, "missing") | blocked


def test_a_folder_without_a_recipe_is_named_and_one_with_caches_only_is_not(looked: Looked) -> None:
    assert looked.stderr == [
        "warning: pkgs/shared: has no recipe (pkgs/*/recipe/recipe.yaml or pkgs/*/recipe.yaml); write one, or remove the folder"
    ]


def test_all_of_them_together_cost_seconds(looked: Looked) -> None:
    # Two of them are ended by their limit of time.
    assert looked.seconds < SECONDS + 2 * 6


def test_none_of_them_takes_more_memory_than_rendering_may_have(looked: Looked) -> None:
    assert looked.memory < RENDER_MEMORY


def test_dagster_loads_every_one_of_them_as_an_asset(looked: Looked) -> None:
    for name in ("endless", "a-million-variants"):  # each would take its whole time again
        shutil.rmtree(looked.forge.root / f"pkgs/{name}")
    definitions = forge_definitions(looked.forge.open())
    keys = {spec.key for spec in definitions.resolve_all_asset_specs()}
    assert {package_key(name) for name in looked.rows.keys() - {"endless", "a-million-variants"}} <= keys
    graph: Any = definitions.resolve_asset_graph()
    assert graph.get(package_key("zzz-good")).parent_keys == {package_key("aaa-good")}
    assert isinstance(definitions, dg.Definitions)
