"""What makes a package variant stale, and what does not: on real forges, with real builds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from git_repository import GitRepository
from small_forge import SmallForge

from orchestration.making import make, make_and_publish, publish
from orchestration.payloads import payload
from wvforge_dagster.core.state import Status
from wvforge_dagster.orchestration import recipe_files
from wvforge_dagster.orchestration.evidence import derive_one, derive_statuses
from wvforge_dagster.orchestration.instance import open_quiet_instance
from wvforge_dagster.orchestration.recording import record_up_to_date

LOW = """
# The base of everything.
package: {name: low, version: "1.0"}
source: {path: src, patches: [fix.patch]}
build: {noarch: generic, script: {file: build.sh}}
tests: [{script: ["test -f $PREFIX/share/low.txt"]}]
"""
PATCH = """\
--- a/word.txt
+++ b/word.txt
@@ -1 +1 @@
-{}
+{}
"""
IN_COLUMNS = """
package: {{name: {name}, version: "1.0"}}
build:
  variant: {{use_keys: [cuda_version]}}
  script:
    - mkdir -p $PREFIX/share
    - echo {name} ${{{{ cuda_version }}}} ${{{{ level }}}} $(cat $PREFIX/share/{host}.txt) > $PREFIX/share/{name}.txt
requirements: {{host: [{host}], run: [{host}]}}
"""
VARIANTS = """
cuda_version: ['13.0', '13.2']
level: ['1', '2']
zip_keys: [[cuda_version, level]]
"""
ALL = {
    "low": "published",
    "other": "published",
    "mid[13.0]": "published",
    "mid[13.2]": "published",
    "top[13.0]": "published",
    "top[13.2]": "published",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a forge in which everything is published: top builds against mid, and mid against low, a noarch package."""
    forge = SmallForge(tmp_path_factory.mktemp("built"))
    forge.configure(channels=[])
    forge.write("variants.yaml", VARIANTS)
    forge.recipe("low", LOW)
    forge.write("pkgs/low/recipe/src/word.txt", "one\n")
    forge.write("pkgs/low/recipe/fix.patch", PATCH.format("one", "two"))
    forge.write("pkgs/low/recipe/build.sh", "mkdir -p $PREFIX/share; cp word.txt $PREFIX/share/low.txt\n")
    forge.recipe("mid", IN_COLUMNS.format(name="mid", host="low"))
    forge.recipe("top", IN_COLUMNS.format(name="top", host="mid"))
    forge.package("other")
    for identity in derive_statuses(forge.open()):
        make(forge, identity.package, identity.partition)
        publish(forge, identity.package, identity.partition)
    assert forge.states() == ALL
    return forge.root


@pytest.fixture
def forge(built: Path, small_forge: SmallForge) -> SmallForge:
    """A copy of that forge, at another place."""
    shutil.rmtree(small_forge.root)
    shutil.copytree(built, small_forge.root)
    return small_forge


def statuses(forge: SmallForge) -> dict[str, Status]:
    return {str(identity): status for identity, status in derive_statuses(forge.open()).items()}


def not_published(forge: SmallForge) -> dict[str, str]:
    return {name: state for name, state in forge.states().items() if state != "published"}


def make_all(forge: SmallForge) -> dict[str, int]:
    """Make and publish what is out of date, in order. Returns the build numbers of what was built."""
    numbers = {}
    for identity in derive_statuses(forge.open()):
        made = make(forge, identity.package, identity.partition)
        publish(forge, identity.package, identity.partition)
        if made.outcome == "built":
            (artifact,) = made.artifacts
            numbers[str(identity)] = artifact.build_number
    return numbers


def test_a_touched_file_makes_nothing_stale(forge: SmallForge) -> None:
    for path in (forge.root / "pkgs").rglob("*"):
        os.utime(path)
    assert forge.states() == ALL


def test_comments_and_another_formatting_make_nothing_stale(forge: SmallForge) -> None:
    forge.recipe(
        "low",
        """
        build:   # the same in many lines, in another order
            script:
                file: "build.sh"
            noarch: generic
        tests:
            - script:
                - test -f $PREFIX/share/low.txt
        package: {version: '1.0', name: low}

        source:
          - path: src
            patches:
              - fix.patch
        """,
    )
    forge.write("variants.yaml", "# the values\n" + VARIANTS.replace("'", '"') + "unused: [1, 2]\n")
    assert forge.states() == ALL


def test_another_branch_and_back_makes_nothing_stale(forge: SmallForge) -> None:
    forge.write(".gitignore", "output/\n")
    repository = GitRepository(forge.root)
    repository.commit()
    repository.git("checkout", "--quiet", "-b", "next")
    forge.write("pkgs/low/recipe/build.sh", "mkdir -p $PREFIX/share; cp word.txt $PREFIX/share/low.txt; true\n")
    (forge.root / "pkgs/other/recipe/recipe.yaml").unlink()
    forge.package("new")
    repository.commit()
    changed = {**ALL, **dict.fromkeys(("mid[13.0]", "mid[13.2]", "top[13.0]", "top[13.2]"), "waiting"), "low": "stale"}
    assert forge.states() == {**changed, "new": "missing", "other": "retired"}
    repository.git("checkout", "--quiet", "main")
    assert forge.states() == ALL


CHANGED_FILES = {
    "fix.patch": PATCH.format("one", "three"),
    "build.sh": "mkdir -p $PREFIX/share; cat word.txt word.txt > $PREFIX/share/low.txt\n",
}


@pytest.mark.parametrize("name", CHANGED_FILES)
def test_a_changed_file_makes_its_recipe_stale_and_what_builds_against_it_wait(forge: SmallForge, name: str) -> None:
    forge.write(f"pkgs/low/recipe/{name}", CHANGED_FILES[name])
    assert forge.states() == {**ALL, **dict.fromkeys(ALL, "waiting"), "low": "stale", "other": "published"}
    found = statuses(forge)
    assert found["low"].reason == f"{name}: content"
    assert found["mid[13.0]"].reason == "builds against low, to be rebuilt first"
    assert found["top[13.0]"].reason.startswith("builds against ")


def test_a_changed_source_makes_its_recipe_stale(forge: SmallForge) -> None:
    forge.write("pkgs/low/recipe/src/more.txt", "more\n")
    assert statuses(forge)["low"].reason == "src/more.txt: added; source src: content"


def test_after_a_build_that_came_out_different_dependents_are_rebuilt_in_every_column_and_once(
    forge: SmallForge,
) -> None:
    forge.write("pkgs/low/recipe/fix.patch", CHANGED_FILES["fix.patch"])
    make_and_publish(forge, "low")
    assert payload(forge, "low") == "three"
    assert not_published(forge) == {
        "mid[13.0]": "stale",
        "mid[13.2]": "stale",
        "top[13.0]": "waiting",
        "top[13.2]": "waiting",
    }
    assert make_all(forge) == dict.fromkeys(("mid[13.0]", "mid[13.2]", "top[13.0]", "top[13.2]"), 1)
    assert payload(forge, "top", "13.2") == "top 13.2 2 mid 13.2 2 three"
    assert forge.states() == ALL
    assert make_all(forge) == {}


def test_a_dependent_that_comes_out_equal_ends_the_rebuilding(forge: SmallForge) -> None:
    forge.edit("mid", "$(cat $PREFIX/share/low.txt)", "two")
    assert make_all(forge) == {}, "it holds what it held"
    forge.write("pkgs/low/recipe/fix.patch", CHANGED_FILES["fix.patch"])
    assert make_all(forge) == {"low": 1}
    assert forge.states() == ALL


def test_after_a_build_that_came_out_equal_nothing_is_rebuilt(forge: SmallForge) -> None:
    forge.write("pkgs/low/recipe/build.sh", "mkdir -p $PREFIX/share; cat word.txt > $PREFIX/share/low.txt\n")
    assert len(not_published(forge)) == 5
    make_and_publish(forge, "low")
    assert forge.states() == ALL
    assert make_all(forge) == {}


def test_a_changed_test_is_tests_only_and_nothing_waits_for_it(forge: SmallForge) -> None:
    forge.edit("low", "test -f $PREFIX/share/low.txt", "grep two $PREFIX/share/low.txt")
    assert not_published(forge) == {"low": "stale"}
    assert statuses(forge)["low"].tests_only
    assert make(forge, "low").outcome == "tested"
    assert forge.states() == ALL


def test_a_changed_value_of_one_column_makes_that_column_stale(forge: SmallForge) -> None:
    forge.write("variants.yaml", VARIANTS.replace("'2'", "'3'"))
    assert not_published(forge) == {"mid[13.2]": "stale", "top[13.2]": "waiting"}
    assert statuses(forge)["mid[13.2]"].reason.startswith("variant.level: 2 -> 3")
    assert set(make_all(forge)) == {"mid[13.2]", "top[13.2]"}
    assert payload(forge, "mid", "13.2") == "mid 13.2 3 two"
    assert forge.states() == ALL


def test_a_new_column_is_missing_and_one_that_was_taken_out_is_retired(forge: SmallForge) -> None:
    forge.write("variants.yaml", VARIANTS.replace("'13.2'", "'13.4'"))
    assert not_published(forge) == {
        "mid[13.4]": "missing",
        "top[13.4]": "missing",
        "mid[13.2]": "retired",
        "top[13.2]": "retired",
    }


@pytest.fixture
def instance(forge: SmallForge) -> Iterator[dg.DagsterInstance]:
    with open_quiet_instance(forge.open()) as opened:
        yield opened


def test_without_dagsters_storage_the_states_are_the_same(forge: SmallForge, instance: dg.DagsterInstance) -> None:
    forge.write("pkgs/low/recipe/fix.patch", CHANGED_FILES["fix.patch"])
    before = statuses(forge)
    assert record_up_to_date(instance, before.values()) > 0
    shutil.rmtree(forge.root / "output/dagster")
    after = statuses(forge)
    assert {name: (status.state, status.reason) for name, status in after.items()} == {
        name: (status.state, status.reason) for name, status in before.items()
    }


def test_two_clones_at_two_places_have_the_same_inputs(forge: SmallForge, tmp_path: Path) -> None:
    forge.write(".gitignore", "output/\n")
    repository = GitRepository(forge.root)
    repository.commit()
    clones = []
    for name in ("first", "a-much-longer-place/second"):
        clone = SmallForge.__new__(SmallForge)
        clone.root = tmp_path / name
        repository.git("clone", "--quiet", str(forge.root), str(clone.root))
        make(clone, "low")
        clones.append(clone)
    first, second = (statuses(clone) for clone in clones)
    mine = statuses(forge)
    for name in ("low", "other", "mid[13.0]"):
        inputs = [[item.input_digest for item in found[name].expected] for found in (first, second, mine)]
        assert inputs[0] == inputs[1] == inputs[2] != []
        assert first[name].want == second[name].want == mine[name].want != ""
    contents = {status["low"].artifacts[0].content for status in (first, second, mine)}
    assert len(contents) == 1, "and what was made at two places is the same"


def test_the_status_of_one_is_the_same_without_the_rest_of_the_forge(
    forge: SmallForge, monkeypatch: pytest.MonkeyPatch
) -> None:
    forge.package("unrelated")
    opened = forge.open()
    every = derive_statuses(opened)
    read: list[str] = []
    files_of = recipe_files.recipe_files
    monkeypatch.setattr(
        recipe_files, "recipe_files", lambda f, package: read.append(package.name) or files_of(f, package)
    )
    for identity in opened.catalog.variants:
        read.clear()
        some = derive_one(opened, identity)
        assert some == {each: every[each] for each in opened.catalog.with_needs(identity)}
        assert set(read) == {each.package for each in some}
