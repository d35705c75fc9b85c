"""A package is built once more, and what differs is said; nothing of it stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_forge import SmallForge

from orchestration.making import make, make_and_publish, published, quiet, staged
from orchestration.test_command import fault, run
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.state import State
from wvforge_dagster.orchestration.rebuild_check import chosen_variants, rebuild_check

VARYING = """
mkdir -p $PREFIX/share
echo same > $PREFIX/share/same.txt
date --iso-8601=ns > $PREFIX/share/when.txt
cat /proc/sys/kernel/random/uuid > $PREFIX/share/random-$(cat /proc/sys/kernel/random/uuid).txt
"""


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_an_equal_build_is_equal_and_leaves_nothing(small_forge: SmallForge) -> None:
    small_forge.package("lib")
    small_forge.package("a", "mkdir -p $PREFIX/share\ncp $PREFIX/share/lib.txt $PREFIX/share/a.txt", host=("lib",))
    make_and_publish(small_forge, "lib", "a")
    before, inspected = staged(small_forge), files_of(small_forge.root / "output" / "channel")
    done = run(small_forge, "rebuild-check", "a")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [f"{before[0]}: equal: 1 files"]
    assert staged(small_forge) == before == published(small_forge)
    assert files_of(small_forge.root / "output" / "channel") == inspected
    assert not (small_forge.root / "output" / "work" / "a" / "all").exists()
    assert small_forge.status("a").state is State.PUBLISHED


def test_what_differs_is_named_with_the_likely_reason(small_forge: SmallForge) -> None:
    small_forge.package("a", VARYING)
    make(small_forge, "a")
    before = staged(small_forge)
    done = run(small_forge, "rebuild-check", "a")
    assert done.returncode == 1, done.stdout + done.stderr
    head, *lines = done.stdout.splitlines()
    assert head == f"{before[0]}: not equal: 3 of 4 files"
    assert [line.split(": ", 1)[1] for line in lines if "random-" in line] in (
        ["only in the package", "only in the new build"],
        ["only in the new build", "only in the package"],
    )
    assert "  share/when.txt: differs; it holds a date or a time: the script can set SOURCE_DATE_EPOCH" in lines[-1]
    assert staged(small_forge) == before
    assert small_forge.status("a").state is State.STAGED


def test_a_raised_number_and_several_outputs_are_compared_with_their_like(small_forge: SmallForge) -> None:
    small_forge.recipe(
        "pair",
        """
        recipe: {name: pair, version: "1.0"}
        build: {script: "mkdir -p $PREFIX/share && date +%s%N > $PREFIX/share/when"}
        outputs:
          - package: {name: first}
            build: {noarch: generic, script: "mkdir -p $PREFIX/share && echo 1 > $PREFIX/share/1"}
          - package: {name: second}
            build: {noarch: generic, script: "mkdir -p $PREFIX/share && cat $PREFIX/share/1 > $PREFIX/share/2"}
            requirements: {host: [first]}
        """,
    )
    make(small_forge, "pair")
    small_forge.edit("pair", "echo 1", "echo 11")
    make(small_forge, "pair")
    numbers = {artifact.build_number for artifact in small_forge.status("pair").artifacts}
    assert numbers == {1}
    found = rebuild_check(small_forge.open(), VariantId("pair", ""), quiet)
    assert [(one.artifact.name, one.equal, one.comparison.metadata) for one in found] == [
        ("first", True, ()),
        ("second", True, ()),
    ]


def test_what_is_not_up_to_date_is_not_compared_and_says_why(small_forge: SmallForge) -> None:
    small_forge.package("a")
    assert "a: is missing (never built): there is no package of its inputs to compare with; build it first" in fault(
        run(small_forge, "rebuild-check", "a")
    )
    make(small_forge, "a")
    small_forge.edit("a", "echo a", "echo b")
    with pytest.raises(ForgeError, match="is stale"):
        rebuild_check(small_forge.open(), VariantId("a", ""), quiet)
    assert "no package 'b' in this forge" in fault(run(small_forge, "rebuild-check", "b"))


def test_a_build_that_fails_now_is_an_error_with_its_log_and_no_failure_of_the_package(
    small_forge: SmallForge, tmp_path: Path
) -> None:
    switch = tmp_path / "fail"
    small_forge.configure(channels=[], variants=[], isolation="off")
    small_forge.package("a", f"test ! -e {switch}\nmkdir -p $PREFIX/share\necho a > $PREFIX/share/a.txt")
    make(small_forge, "a")
    switch.touch()
    with pytest.raises(ForgeError, match=r"a: was not built again: .*log: "):
        rebuild_check(small_forge.open(), VariantId("a", ""), quiet)
    assert small_forge.status("a").state is State.STAGED


def test_without_a_partition_all_are_meant_that_the_recipe_takes(small_forge: SmallForge) -> None:
    small_forge.write("variants.yaml", "python: ['3.11', '3.12']\n")
    small_forge.configure(channels=[], variants=["variants.yaml"])
    small_forge.recipe(
        "b",
        "package: {name: b, version: '1'}\nbuild: {noarch: generic, skip: ['match(python, \"<3.12\")'], "
        "script: 'echo ${{ python }} > $PREFIX/b'}\n",
    )
    forge = small_forge.open()
    assert chosen_variants(forge, "b", None) == (VariantId("b", "3.12"),)
    assert chosen_variants(forge, "b", "3.11") == (VariantId("b", "3.11"),)
    with pytest.raises(ForgeError, match=r"is skipped .*its recipe excludes it"):
        rebuild_check(forge, VariantId("b", "3.11"), quiet)
