"""Tests that run on a package that was built before they were written."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from small_forge import SmallForge

from build.places import Builder
from wvforge_dagster.build.builder import BuiltPackage
from wvforge_dagster.build.builder import TestOutcome as Outcome
from wvforge_dagster.build.retest import Retest, retest
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.core.failure import FailureClass
from wvforge_dagster.core.recipe import Output

RECIPE = """
package: {{name: {name}, version: "1.0"}}
build: {{noarch: generic, script: "mkdir -p $PREFIX/share; echo {name} > $PREFIX/share/{name}.txt", {build}}}
tests: {tests}
{more}
"""

# As much of an interpreter as a test of imports needs: the one that runs this, under the name that the engine calls.
PYTHON = f"""
package: {{name: python, version: "3.12.0"}}
build:
  noarch: generic
  script:
    - mkdir -p $PREFIX/bin
    - printf '#!/bin/sh\\nexec {sys.executable} "$@"\\n' > $PREFIX/bin/python
    - chmod +x $PREFIX/bin/python
"""


class Retested:
    """A package ``a`` in a channel, and its recipe, whose tests may be changed."""

    def __init__(self, builder: Builder, channel: Path, more: str = "", build: str = "") -> None:
        self.builder = builder
        self.more = more
        self.build = build
        self.channel = FolderChannel(channel)
        self.write("[]")
        self.package = self.add("a", self.output)

    def write(self, tests: str) -> None:
        self.builder.forge.recipe("a", RECIPE.format(name="a", tests=tests, more=self.more, build=self.build))

    @property
    def output(self) -> Output:
        """The recipe of ``a`` in its first variant."""
        return self.builder.forge.rendered("a").outputs[0]

    def add(self, name: str, output: Output | None = None) -> BuiltPackage:
        """Build a package and put it into the channel."""
        built = self.builder.build(name, output)
        self.channel.publish([built.file])
        return built

    def run(self, tests: str) -> list[Outcome]:
        """Run these tests on the package as it is."""
        self.write(tests)
        folder = self.builder.forge.root / "pkgs/a/recipe"
        place = self.builder.place(channels=(self.channel.url,))
        return list(retest(Retest(self.package.artifact, self.output, folder), place, self.builder.on_log))


@pytest.fixture
def tested(builder: Builder, tmp_path: Path) -> Retested:
    return Retested(builder, tmp_path / "channel")


def passed(outcomes: list[Outcome]) -> list[tuple[str, bool]]:
    return [(outcome.name, outcome.failure is None) for outcome in outcomes]


def test_new_tests_run_on_the_package_that_is_there(tested: Retested) -> None:
    outcomes = tested.run('[{script: ["test -f $PREFIX/share/a.txt"]}, {script: ["grep -q b $PREFIX/share/a.txt"]}]')
    assert [outcome.failure is None for outcome in outcomes] == [True, False]
    assert len({outcome.name for outcome in outcomes}) == 2
    failure = outcomes[1].failure
    assert failure is not None
    assert failure.failure_class is FailureClass.TEST
    assert "failed at `grep -q b " in failure.reason


def test_imports_are_tried_with_the_interpreter_of_the_channel(tested: Retested, small_forge: SmallForge) -> None:
    small_forge.recipe("python", PYTHON)
    tested.add("python")
    assert passed(tested.run("[{python: {imports: [json, os.path], pip_check: false}}]")) == [("python", True)]
    (outcome,) = tested.run("[{python: {imports: [json, not_there], pip_check: false}}]")
    assert outcome.failure is not None
    assert outcome.failure.failure_class is FailureClass.TEST
    assert "No module named 'not_there'" in outcome.failure.reason


def test_files_of_the_recipes_folder_are_there_as_they_are_now(tested: Retested, small_forge: SmallForge) -> None:
    small_forge.write("pkgs/a/recipe/tests/check.sh", "grep -q a $PREFIX/share/a.txt\n")
    tests = '[{script: ["sh tests/check.sh"], files: {recipe: [tests/]}}]'
    assert passed(tested.run(tests)) == [("script", True)]
    small_forge.write("pkgs/a/recipe/tests/check.sh", "grep -q b $PREFIX/share/a.txt\n")
    assert passed(tested.run(tests)) == [("script", False)]


def test_files_of_the_source_are_there(builder: Builder, small_forge: SmallForge, tmp_path: Path) -> None:
    small_forge.write("pkgs/a/recipe/src/check.sh", "test -f $PREFIX/share/a.txt\n")
    small_forge.write("outside/more.sh", "true\n")
    more = "source: [{path: src}, {path: ../../../outside, target_directory: more}]"
    tested = Retested(builder, tmp_path / "channel", more)
    tests = '[{script: ["sh check.sh && sh more/more.sh"], files: {source: [check.sh, more/]}}]'
    assert passed(tested.run(tests)) == [("script", True)]


def test_what_a_test_requires_is_there(tested: Retested, small_forge: SmallForge) -> None:
    small_forge.recipe("b", RECIPE.format(name="b", tests="[]", more="", build=""))
    tested.add("b")
    tests = '[{script: ["cat $PREFIX/share/a.txt $PREFIX/share/b.txt"], requirements: {run: [b]}}]'
    assert passed(tested.run(tests)) == [("script", True)]
    (outcome,) = tested.run('[{script: ["true"], requirements: {run: [not-there]}}]')
    assert outcome.failure is not None
    assert outcome.failure.failure_class is FailureClass.SOLVE
    assert "not-there" in outcome.failure.reason


def test_a_script_is_run_as_it_was_written(tested: Retested) -> None:
    script = """
  - script:
      - |
        text='a "quoted" $HOME \\\\ ${PREFIX:-none}'
        test "$text" = "a \\"quoted\\" \\$HOME \\\\\\\\ \\${PREFIX:-none}"
"""
    assert passed(tested.run(script)) == [("script", True)]


def test_expressions_in_a_test_have_the_values_of_the_context_and_of_the_variant(
    builder: Builder, small_forge: SmallForge, tmp_path: Path
) -> None:
    small_forge.write("variants.yaml", "cuda_version: ['13.0', '13.2']\n")
    small_forge.configure(channels=[])
    more = "context: {word: it, number: '3.10'}"
    tested = Retested(builder, tmp_path / "channel", more, build="variant: {use_keys: [cuda_version]}")
    test = 'echo "${{ word }} ${{ number }} ${{ cuda_version }}" | grep "^it 3[.]10 13[.]0$"'
    assert passed(tested.run(f"[{{script: ['{test}']}}]")) == [("script", True)]


def test_what_a_package_contains_is_tested_by_its_build_and_not_again(tested: Retested) -> None:
    assert tested.run("[{package_contents: {files: [nothing-of-the-kind]}}]") == []
    assert passed(tested.run('[{package_contents: {files: ["**"]}}, {script: ["true"]}]')) == [("script", True)]


def test_a_package_that_cannot_be_had_is_a_failure_that_names_it(tested: Retested, tmp_path: Path) -> None:
    tested.channel = FolderChannel(tmp_path / "empty")
    tested.channel.create()
    (outcome,) = tested.run('[{script: ["true"]}]')
    assert outcome.failure is not None
    assert outcome.failure.failure_class is FailureClass.SOLVE
    assert f"a ==1.0 {tested.package.artifact.build}" in outcome.failure.reason
