from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from build.places import is_running, read_pid, wait_until
from small_forge import SmallForge

from orchestration.making import (
    make,
    make_and_publish,
    make_elsewhere,
    publish,
    published,
    reaching_out,
    staged,
    why_not_made,
)
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.failure import FailureClass
from wvforge_dagster.orchestration.evidence import derive_statuses
from wvforge_dagster.orchestration.failures import read_failures
from wvforge_dagster.orchestration.locks import variant_lock
from wvforge_dagster.orchestration.made import MakeFailed
from wvforge_dagster.orchestration.make import make_variant
from wvforge_dagster.orchestration.plan import make_plan, select


def test_a_package_goes_from_missing_over_staged_to_published(small_forge: SmallForge) -> None:
    small_forge.package("a", test="test -f $PREFIX/share/a.txt")
    assert small_forge.states() == {"a": "missing"}
    made = make(small_forge, "a")
    assert (made.ran, made.reason) == (True, "never built")
    assert [(name, outcome.name, outcome.failure) for name, outcome in made.tests] == [("a", "script", None)]
    assert {"render", "solve_and_build", "script", "test"} <= set(made.seconds)
    assert made.log is not None
    assert "staging a-1.0" in made.log.read_text()
    assert small_forge.states() == {"a": "staged"}
    assert published(small_forge) == []
    publish(small_forge, "a")
    assert small_forge.states() == {"a": "published"}
    assert published(small_forge) == staged(small_forge) == [made.artifacts[0].filename]
    assert small_forge.status("a").channels == ("file:output/channel",)


def test_what_is_up_to_date_is_not_built_again(small_forge: SmallForge) -> None:
    small_forge.package("a")
    make_and_publish(small_forge, "a")
    again = make(small_forge, "a")
    assert (again.ran, again.reason) == (False, "up to date")
    assert len(staged(small_forge)) == 1


def test_a_dependent_builds_against_what_was_staged(small_forge: SmallForge) -> None:
    small_forge.package("a")
    small_forge.package("b", "cp $PREFIX/share/a.txt $PREFIX/b.txt", host=("a",), test="test -f $PREFIX/b.txt")
    assert small_forge.states() == {"a": "missing", "b": "missing"}
    make(small_forge, "a")
    make(small_forge, "b")
    assert small_forge.states() == {"a": "staged", "b": "staged"}


def test_nothing_is_built_before_what_it_builds_against(small_forge: SmallForge) -> None:
    small_forge.package("a")
    small_forge.package("b", host=("a",))
    failed = why_not_made(small_forge, "b")
    assert str(failed) == "blocked: a is missing; build that first"
    assert staged(small_forge) == []


def test_a_package_whose_test_fails_is_kept_aside_and_not_staged(small_forge: SmallForge) -> None:
    small_forge.package("a", test="cat $PREFIX/absent")
    failed = why_not_made(small_forge, "a")
    assert failed.failure.failure_class is FailureClass.TEST
    assert [outcome.failure is not None for _, outcome in failed.tests] == [True]
    assert staged(small_forge) == []
    assert [path.suffix for path in (small_forge.root / "output/aside/a/all").iterdir()] == [".conda"]
    status = small_forge.status("a")
    assert status.state.value == "failed"
    assert "test script failed at `cat " in status.reason
    assert (small_forge.root / "output" / status.log).is_file()
    with pytest.raises(ForgeError, match=r"a: is failed \(test script failed .*\) and is not published"):
        publish(small_forge, "a")


def test_a_package_whose_test_failed_is_not_taken_for_built_by_the_next_run(small_forge: SmallForge) -> None:
    small_forge.package("a", test="false")
    small_forge.package("b", host=("a",))
    why_not_made(small_forge, "a")
    why_not_made(small_forge, "a")
    assert small_forge.states() == {"a": "failed", "b": "blocked"}
    assert str(why_not_made(small_forge, "b")) == "blocked: a is failed; build that first"
    forge = small_forge.open()
    selected = select(forge.catalog, [], [], [])
    plan = make_plan(forge.catalog, derive_statuses(forge), read_failures(forge), selected)
    assert plan.given_up == {VariantId("a")}
    assert VariantId("a") not in plan.reasons


def test_a_mended_package_is_built(small_forge: SmallForge) -> None:
    small_forge.package("a", "false")
    assert why_not_made(small_forge, "a").failure.failure_class is FailureClass.SCRIPT
    assert small_forge.states() == {"a": "failed"}
    small_forge.package("a")
    assert small_forge.states() == {"a": "missing"}
    make_and_publish(small_forge, "a")
    assert small_forge.states() == {"a": "published"}
    assert read_failures(small_forge.open()) == {}


def test_a_missing_dependency_is_unsolvable_and_named(small_forge: SmallForge) -> None:
    small_forge.package("a", host=("absent-package >=3",))
    why_not_made(small_forge, "a")
    status = small_forge.status("a")
    assert status.state.value == "unsolvable"
    assert "absent-package" in status.reason


def test_a_change_makes_it_stale_with_the_reason_and_a_build_takes_the_next_number(small_forge: SmallForge) -> None:
    small_forge.package("a")
    make_and_publish(small_forge, "a")
    small_forge.edit("a", "echo a >", "echo b >")
    status = small_forge.status("a")
    assert (status.state.value, status.reason) == ("stale", "build.script: line 2")
    made = make(small_forge, "a")
    assert made.reason == "build.script: line 2"
    assert [artifact.build_number for artifact in made.artifacts] == [1]
    publish(small_forge, "a")
    assert small_forge.states() == {"a": "published"}
    assert len(published(small_forge)) == 2


@pytest.mark.parametrize("build", ["string: custom", "string: custom_126", "number: 0, string: custom_0"])
def test_a_name_is_never_used_again_whatever_the_build_string(small_forge: SmallForge, build: str) -> None:
    recipe = f"package: {{name: a, version: '1'}}\nbuild: {{noarch: generic, script: 'echo 1 > $PREFIX/f', {build}}}\n"
    for content in ("echo 1", "echo 2", "echo 3"):
        small_forge.recipe("a", recipe.replace("echo 1", content))
        make_and_publish(small_forge, "a")
        assert small_forge.states() == {"a": "published"}
    assert len(published(small_forge)) == 3


RANDOM = "head -c 8 /dev/urandom > $PREFIX/f"


def test_a_forced_build_that_came_out_different_takes_the_next_number(small_forge: SmallForge) -> None:
    small_forge.package("a", RANDOM)
    make(small_forge, "a")
    made = make(small_forge, "a", force=True)
    assert (made.outcome, made.reason, made.artifacts[0].build_number) == ("built", "forced", 1)


def test_a_forced_build_that_came_out_equal_changes_nothing(small_forge: SmallForge) -> None:
    small_forge.package("a")
    make_and_publish(small_forge, "a")
    before = published(small_forge)
    made = make(small_forge, "a", force=True)
    assert made.outcome.startswith("built, and came out equal to a-1.0-")
    publish(small_forge, "a")
    assert published(small_forge) == staged(small_forge) == before


def test_dependents_of_a_package_that_came_out_equal_stay_published(small_forge: SmallForge) -> None:
    small_forge.package("a")
    small_forge.package("b", host=("a",))
    make_and_publish(small_forge, "a", "b")
    small_forge.edit("a", "echo a >", "true; echo a >")
    assert small_forge.states() == {"a": "stale", "b": "waiting"}
    make_and_publish(small_forge, "a")
    assert small_forge.states() == {"a": "published", "b": "published"}


def test_dependents_of_a_package_that_came_out_different_are_stale(small_forge: SmallForge) -> None:
    small_forge.package("a")
    small_forge.package("b", host=("a",))
    make_and_publish(small_forge, "a", "b")
    small_forge.edit("a", "echo a >", "echo other >")
    make_and_publish(small_forge, "a")
    assert small_forge.states() == {"a": "published", "b": "stale"}
    assert small_forge.status("b").reason.startswith("a 1.0: content ")


def test_each_column_is_made_for_itself(small_forge: SmallForge) -> None:
    small_forge.write("variants.yaml", "python: ['3.11', '3.12']\ncuda_version: ['12.6', '13.0']\n")
    small_forge.configure(channels=[], variants=["variants.yaml"])
    small_forge.recipe(
        "a",
        """
        package: {name: a, version: "1"}
        build:
          noarch: generic
          skip: ["match(python, '<3.12') and match(cuda_version, '>=13')"]
          script: "echo ${{ python }} ${{ cuda_version }} > $PREFIX/a"
          variant: {use_keys: [python, cuda_version]}
        """,
    )
    made = make(small_forge, "a", "12.6|3.12")
    assert make(small_forge, "a", "13.0|3.11").ran is False
    publish(small_forge, "a", "13.0|3.11")
    assert made.artifacts[0].record is not None
    assert made.artifacts[0].record.partition == "12.6|3.12"
    assert small_forge.states() == {
        "a[12.6|3.11]": "missing",
        "a[12.6|3.12]": "staged",
        "a[13.0|3.11]": "skipped",
        "a[13.0|3.12]": "missing",
    }


OUTPUTS = """
recipe: {name: m, version: "1"}
build: {noarch: generic}
outputs:
  - package: {name: m-tool}
    build: {script: "cp $PREFIX/lib.txt $PREFIX/tool.txt"}
    requirements: {host: [m-lib], run: [m-lib]}
    tests: [{script: ["test -f $PREFIX/lib.txt && test -f $PREFIX/tool.txt"]}]
  - package: {name: m-lib}
    build: {script: "echo lib > $PREFIX/lib.txt"}
    tests: [{script: ["test -f $PREFIX/lib.txt"]}]
"""


def test_outputs_are_built_in_dependency_order_and_staged_together(small_forge: SmallForge) -> None:
    small_forge.recipe("m", OUTPUTS)
    made = make(small_forge, "m")
    assert [artifact.name for artifact in made.artifacts] == ["m-lib", "m-tool"]
    assert [name for name, _ in made.tests] == ["m-lib", "m-tool"]
    publish(small_forge, "m")
    assert small_forge.states() == {"m": "published"}
    small_forge.edit("m", "echo lib", "echo new")
    assert [artifact.build_number for artifact in make(small_forge, "m").artifacts] == [1, 1]


def test_of_several_outputs_none_is_staged_if_the_test_of_one_fails(small_forge: SmallForge) -> None:
    small_forge.recipe("m", OUTPUTS.replace("&& test -f $PREFIX/tool.txt", "&& cat absent"))
    assert "m-tool" not in "".join(staged(small_forge))
    assert why_not_made(small_forge, "m").failure.failure_class is FailureClass.TEST
    assert staged(small_forge) == []


def test_the_failed_test_of_an_output_is_the_reason_and_not_what_comes_of_it(small_forge: SmallForge) -> None:
    small_forge.recipe("m", OUTPUTS.replace('[{script: ["test -f $PREFIX/lib.txt"]}]', '[{script: ["cat absent"]}]'))
    failed = why_not_made(small_forge, "m")
    assert failed.failure.failure_class is FailureClass.TEST
    assert "test script failed at `cat absent`" in failed.failure.reason


def test_a_broken_recipe_fails_alone(small_forge: SmallForge) -> None:
    small_forge.recipe("bad", "package: [")
    small_forge.package("a")
    assert "pkgs/bad/recipe/recipe.yaml" in str(why_not_made(small_forge, "bad"))
    make_and_publish(small_forge, "a")
    assert small_forge.states() == {"a": "published", "bad": "failed"}


def test_what_is_built_now_is_building(small_forge: SmallForge) -> None:
    small_forge.package("a")
    small_forge.package("b", host=("a",))
    with variant_lock(small_forge.open(), VariantId("a")):
        assert small_forge.states() == {"a": "building", "b": "missing"}
    assert small_forge.states() == {"a": "missing", "b": "missing"}


def test_two_processes_that_make_one_package_build_it_once(small_forge: SmallForge) -> None:
    reaching_out(small_forge)
    small_forge.package("a", f"echo built >> {small_forge.root}/count; sleep 1; touch $PREFIX/a")
    processes: list[subprocess.Popen[str]] = [make_elsewhere(small_forge, "a") for _ in range(2)]
    answers = [process.communicate(timeout=120)[0].strip() for process in processes]
    assert sorted(answers) == ["ran", "up to date"]
    assert (small_forge.root / "count").read_text() == "built\n"


def test_after_a_kill_in_the_middle_of_a_build_nothing_runs_on_and_the_next_build_works(
    small_forge: SmallForge,
) -> None:
    reaching_out(small_forge)
    slow = small_forge.root / "slow"
    slow.touch()
    small_forge.package(
        "a",
        f"""
        if test -f {slow}; then
          setsid sh -c 'echo $$ > {small_forge.root}/pid; exec sleep 300' &
          sleep 300
        fi
        touch $PREFIX/a
        """,
    )
    process = make_elsewhere(small_forge, "a")
    orphan = read_pid(small_forge.root / "pid")
    assert small_forge.states() == {"a": "building"}
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    assert wait_until(lambda: not is_running(orphan), 15)
    assert small_forge.states() == {"a": "missing"}
    slow.unlink()
    make_and_publish(small_forge, "a")
    assert small_forge.states() == {"a": "published"}
    assert not any((small_forge.root / "output/work").rglob("*.conda"))


def test_a_build_that_was_killed_while_it_staged_its_package_is_not_done_again(small_forge: SmallForge) -> None:
    small_forge.package("a")
    killed = make_elsewhere(
        small_forge,
        "a",
        prelude="import os; from wvforge_dagster.channels.folder import FolderChannel\n"
        "FolderChannel._index_unlisted = lambda self: os.kill(os.getpid(), 9)",
    )
    assert killed.wait(120) == -signal.SIGKILL
    (path,) = (small_forge.root / "output/staging/noarch").glob("*.conda")
    assert any((small_forge.root / "output/work").rglob("*.conda"))
    assert (small_forge.states(), staged(small_forge)) == ({"a": "missing"}, [])
    assert not make(small_forge, "a").ran
    assert (small_forge.states(), staged(small_forge)) == ({"a": "staged"}, [path.name])
    assert not any((small_forge.root / "output/work").rglob("*.conda"))


def test_a_staged_file_that_was_changed_behind_our_back_is_not_published(small_forge: SmallForge) -> None:
    small_forge.package("a")
    make(small_forge, "a")
    assert small_forge.states() == {"a": "staged"}
    (path,) = (small_forge.root / "output/staging/noarch").glob("*.conda")
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ForgeError, match="was changed after it was staged; remove it and build it again"):
        publish(small_forge, "a")
    assert published(small_forge) == []


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"")])
def test_a_staged_file_that_is_gone_or_cut_is_missing_and_built_again(
    small_forge: SmallForge, damage: Callable[[Path], object]
) -> None:
    small_forge.package("a")
    make(small_forge, "a")
    for path in (small_forge.root / "output/staging/noarch").glob("*.conda"):
        damage(path)
    assert small_forge.states() == {"a": "missing"}
    make_and_publish(small_forge, "a")
    assert small_forge.states() == {"a": "published"}


def test_a_name_that_a_target_holds_with_other_content_is_left_and_the_next_number_taken(
    small_forge: SmallForge,
) -> None:
    small_forge.configure(channels=[], variants=[], publish=[{"file": "good"}, {"file": "bad"}])
    small_forge.package("a")
    made = make(small_forge, "a")
    other = SmallForge(_folder(small_forge.root / "other"))
    other.package("a", "echo other > $PREFIX/a")
    other.configure(channels=[], variants=[], publish=[{"file": str(small_forge.root / "bad")}])
    make_and_publish(other, "a")
    assert published(other) == [made.artifacts[0].filename]
    with pytest.raises(ForgeError, match=r"a: is stale .* and is not published"):
        publish(small_forge, "a")
    assert make(small_forge, "a").artifacts[0].build_number == 1
    publish(small_forge, "a")
    assert small_forge.status("a").channels == ("file:good", "file:bad")


def test_a_target_that_fails_is_named_and_does_not_hide_the_others(small_forge: SmallForge) -> None:
    small_forge.configure(channels=[], variants=[], publish=[{"file": "good"}, {"file": "bad"}])
    small_forge.package("a")
    small_forge.write("bad", "a file in its place")
    make(small_forge, "a")
    with pytest.raises(ForgeError, match=r"upload of a: file:bad: "):
        publish(small_forge, "a")
    status = small_forge.status("a")
    assert (status.state.value, status.channels) == ("staged", ("file:good",))
    assert "file:bad: " in status.reason


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_a_package_goes_only_to_the_targets_that_take_it(small_forge: SmallForge) -> None:
    small_forge.configure(channels=[], variants=[], publish=[{"file": "all"}, {"file": "some", "only": ["b*"]}])
    small_forge.package("a")
    make_and_publish(small_forge, "a")
    assert small_forge.status("a").channels == ("file:all",)
    assert small_forge.states() == {"a": "published"}


@pytest.mark.parametrize("gone", ["dagster", "cache", "work", "logs", "failures", "locks"])
def test_losing_our_books_changes_no_state(small_forge: SmallForge, gone: str) -> None:
    small_forge.package("a")
    make_and_publish(small_forge, "a")
    (small_forge.root / "output" / gone).mkdir(exist_ok=True)
    (small_forge.root / "output" / gone / "file").write_text("x")
    before = small_forge.states()
    shutil.rmtree(small_forge.root / "output" / gone)
    assert small_forge.states() == before == {"a": "published"}


def test_losing_the_staging_channel_loses_nothing_that_is_published(small_forge: SmallForge) -> None:
    small_forge.package("a")
    small_forge.package("b", "cp $PREFIX/share/a.txt $PREFIX/b.txt", host=("a",))
    make_and_publish(small_forge, "a")
    shutil.rmtree(small_forge.root / "output")
    small_forge.configure(channels=[], variants=[], publish=[{"file": "kept"}])
    make_and_publish(small_forge, "a")
    shutil.rmtree(small_forge.root / "output")
    assert small_forge.states() == {"a": "published", "b": "missing"}
    make_and_publish(small_forge, "b")
    assert small_forge.states() == {"a": "published", "b": "published"}
    assert len(staged(small_forge)) == 2
    assert len(published(small_forge)) == 2


def test_a_note_of_an_equal_build_survives_the_loss_of_everything_but_the_channel(small_forge: SmallForge) -> None:
    small_forge.configure(channels=[], variants=[], publish=[{"file": "kept"}])
    small_forge.package("a")
    make_and_publish(small_forge, "a")
    small_forge.edit("a", "echo a >", "true; echo a >")
    make_and_publish(small_forge, "a")
    assert len(published(small_forge)) == 1
    shutil.rmtree(small_forge.root / "output")
    assert small_forge.states() == {"a": "published"}


def test_a_changed_test_runs_on_the_same_file(small_forge: SmallForge) -> None:
    small_forge.package("a", test="test -f $PREFIX/share/a.txt")
    make_and_publish(small_forge, "a")
    before = staged(small_forge)
    small_forge.package("a", test="grep -q a $PREFIX/share/a.txt && test -f $RECIPE_DIR/absent || exit 0")
    assert small_forge.status("a").tests_only
    made = make(small_forge, "a")
    assert (made.outcome, [outcome.failure for _, outcome in made.tests]) == ("tested", [None])
    publish(small_forge, "a")
    assert small_forge.states() == {"a": "published"}
    assert staged(small_forge) == before
    small_forge.package("a", test="grep -q b $PREFIX/share/a.txt")
    failed = why_not_made(small_forge, "a")
    assert failed.failure.failure_class is FailureClass.TEST
    assert small_forge.states() == {"a": "failed"}
    assert staged(small_forge) == before


def test_a_refused_number_says_which_one_to_set(small_forge: SmallForge) -> None:
    small_forge.configure(channels=[], variants=[], rebuild="refuse")
    small_forge.package("a")
    make_and_publish(small_forge, "a")
    small_forge.edit("a", "echo a >", "echo b >")
    failed = why_not_made(small_forge, "a")
    assert failed.failure.reason.endswith("set build.number to 1")
    small_forge.edit("a", "  noarch: generic", "  noarch: generic\n  number: 1")
    assert make(small_forge, "a").artifacts[0].build_number == 1


def test_a_raised_build_number_is_published_also_if_it_came_out_equal(small_forge: SmallForge) -> None:
    small_forge.package("a")
    make_and_publish(small_forge, "a")
    small_forge.edit("a", "  noarch: generic", "  noarch: generic\n  number: 1")
    make_and_publish(small_forge, "a")
    assert len(published(small_forge)) == 2


def test_an_output_folder_that_cannot_be_written_is_a_failure_in_words(small_forge: SmallForge) -> None:
    small_forge.package("a")
    small_forge.write("output/staging", "a file in its place")
    with pytest.raises((MakeFailed, ForgeError)) as caught:
        make(small_forge, "a")
    assert "staging" in str(caught.value)


def test_the_log_is_told_while_the_build_runs(small_forge: SmallForge) -> None:
    reaching_out(small_forge)
    go = small_forge.root / "go"
    small_forge.package("a", f"echo ready; while ! test -f {go}; do sleep 0.05; done; touch $PREFIX/a")

    def answer(level: str, line: str) -> None:
        if line == "ready":
            go.touch()

    assert make_variant(small_forge.open(), VariantId("a"), answer).ran


def test_an_exception_of_the_listener_leaves_no_build_behind(small_forge: SmallForge) -> None:
    reaching_out(small_forge)
    small_forge.package("a", f"echo $$ > {small_forge.root}/pid; echo ready; sleep 300")

    def interrupt(level: str, line: str) -> None:
        if line == "ready":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_variant(small_forge.open(), VariantId("a"), interrupt)
    assert wait_until(lambda: not is_running(read_pid(small_forge.root / "pid")), 10)
    assert small_forge.states() == {"a": "missing"}


def test_a_recipe_with_a_variant_file_of_its_own_is_built_in_its_variants(small_forge: SmallForge) -> None:
    small_forge.configure(channels=[], variants=["variants.yaml"])
    small_forge.write("variants.yaml", "cuda_version: ['13.0', '13.2']\n")
    recipe = """
    package: {name: NAME, version: "1.0"}
    build: {variant: {use_keys: [cuda_version]}, script: ["echo ${{ cuda_version }} > $PREFIX/NAME.txt"]}
    tests: [{script: ["test -f $PREFIX/NAME.txt"]}]
    """
    for name in ("own", "others"):
        small_forge.recipe(name, recipe.replace("NAME", name))
    own = small_forge.write("pkgs/own/recipe/variants.yaml", "cuda_version: ['13.2', '13.4']\n")
    assert small_forge.states() == {
        "own[13.0]": "skipped",
        "own[13.2]": "missing",
        "own[13.4]": "missing",
        "others[13.0]": "missing",
        "others[13.2]": "missing",
        "others[13.4]": "skipped",
    }
    make(small_forge, "own", "13.4")
    assert small_forge.states()["own[13.4]"] == "staged"
    own.write_text("# The newest only.\ncuda_version: ['13.4']\n", encoding="utf-8")
    assert small_forge.states()["own[13.4]"] == "staged"
    small_forge.edit("own", "test -f", "test -s")
    assert small_forge.states()["own[13.4]"] == "stale"
    make(small_forge, "own", "13.4")
    assert small_forge.states()["own[13.4]"] == "staged"
