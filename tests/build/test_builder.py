from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from rattler.package_streaming import PackageArchive
from small_forge import SmallForge

from build.places import GENEROUS, Builder, is_running, read_pid, supervisors
from wvforge_dagster.build.builder import BuildFailed, remove_folder, run_package_tests
from wvforge_dagster.build.builder import TestOutcome as Outcome
from wvforge_dagster.build.process import ChildLimits
from wvforge_dagster.core.digest import digest_tree
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.inputs import input_parts
from wvforge_dagster.core.package_file import PackageFile
from wvforge_dagster.orchestration.recipe_files import recipe_files


def read(file: PackageFile, name: str) -> Any:
    async def answer() -> Any:
        archive = await PackageArchive.from_path(file.path)
        return (await archive.read_files((name,)))[name]

    return json.loads(asyncio.run(answer()) or b"null")


def failure(builder: Builder, name: str, **request: Any) -> Failure:
    with pytest.raises(BuildFailed) as caught:
        builder.build(name, **request)
    return caught.value.failure


def test_a_package_comes_out_with_its_files_and_durations(builder: Builder) -> None:
    builder.forge.package("a")
    built = builder.build("a")
    assert (built.file.subdir, built.artifact.name, built.artifact.version) == ("noarch", "a", "1.0")
    assert built.artifact.sha256 == built.file.sha256
    assert built.artifact.file_count == 1
    assert set(built.seconds) == {"render", "solve_and_build", "script"}
    assert [entry["_path"] for entry in read(built.file, "info/paths.json")["paths"]] == ["share/a.txt"]


@pytest.mark.parametrize("partition", ["", "12.6|3.12"])
def test_a_record_survives_the_engine(builder: Builder, partition: str) -> None:
    builder.forge.package(
        "a",
        """
        # ${{ version }} "quoted" 'single' \\backslash ünïcode \N{ROCKET}
        test -z "" && echo "{{ not jinja }}" && echo "a: b # c"
        """,
        more="context: {version: '1'}\n",
    )
    output = builder.forge.output("a")
    built = builder.build("a", partition=partition)
    record = built.artifact.record
    assert record is not None
    assert (record.package, record.partition) == ("a", partition)
    assert record.parts == input_parts(output, files={}, sources={}, local_packages={}, platform="linux-64")
    assert "ünïcode \N{ROCKET}" in json.dumps(record.parts, ensure_ascii=False)


def test_two_builds_of_one_recipe_have_one_content(builder: Builder) -> None:
    builder.forge.package("a")
    first, second = builder.build("a"), builder.build("a", number=5)
    assert first.file.sha256 != second.file.sha256
    assert first.artifact.content == second.artifact.content
    assert (first.artifact.build_number, second.artifact.build_number) == (0, 5)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("echo a >", "echo b >"),
        ("a.txt", "b.txt"),
        ("license: MIT", "license: BSD-3-Clause"),
        ("license: MIT", "license: MIT, summary: s"),
    ],
)
def test_another_content_has_another_digest(builder: Builder, old: str, new: str) -> None:
    builder.forge.package("a")
    first = builder.build("a")
    builder.forge.edit("a", old, new)
    assert builder.build("a").artifact.content != first.artifact.content


def test_a_raised_number_is_in_number_name_and_index(builder: Builder) -> None:
    builder.forge.recipe("a", "package: {name: a, version: 1.10}\nbuild: {noarch: generic, script: 'true'}\n")
    built = builder.build("a", number=3)
    assert built.file.filename.startswith("a-1.10-")
    assert built.file.filename.endswith("_3.conda")
    assert read(built.file, "info/index.json")["build_number"] == 3


def test_one_of_several_variants_is_built(builder: Builder) -> None:
    builder.forge.write("variants.yaml", "flavour: [sweet, sour]\n")
    builder.forge.configure(channels=[], variants=["variants.yaml"])
    builder.forge.recipe(
        "a",
        "package: {name: a, version: '1'}\nbuild: {noarch: generic, script: 'echo ${{ flavour }} > $PREFIX/f'}\n",
    )
    sour = next(item for item in builder.forge.rendered("a").outputs if dict(item.variant)["flavour"] == "sour")
    assert builder.build("a", sour).artifact.build == sour.build_string


def test_an_output_pinned_exactly_to_a_sibling_is_built_with_a_raised_number(builder: Builder) -> None:
    builder.forge.recipe(
        "m",
        """
        recipe: {name: m, version: '1'}
        build: {number: 0, noarch: generic, script: "true"}
        outputs:
          - package: {name: m-tool}
            requirements: {run: ["${{ pin_subpackage('m-lib', exact=True) }}"]}
          - package: {name: m-lib}
        """,
    )
    outputs = {item.name: item for item in builder.forge.rendered("m").outputs}
    assert builder.build("m", outputs["m-lib"], number=2).artifact.build_number == 2
    tool = builder.build("m", outputs["m-tool"], number=2)
    assert read(tool.file, "info/index.json")["depends"][0].endswith("_2")


def test_sources_outside_the_recipes_folder_get_in(builder: Builder) -> None:
    builder.forge.write("pkgs/a/src/hello.txt", "hello")
    builder.forge.recipe(
        "a",
        """
        package: {name: a, version: '1'}
        source: {path: ../src}
        build: {noarch: generic, script: "cp hello.txt $PREFIX/hello.txt"}
        """,
    )
    assert builder.build("a").artifact.file_count == 1


def test_patches_and_scripts_of_the_recipe_are_used(builder: Builder) -> None:
    builder.forge.write("pkgs/a/src/hello.txt", "hello\n")
    builder.forge.write(
        "pkgs/a/recipe/patches/hi.patch", "--- a/hello.txt\n+++ b/hello.txt\n@@ -1 +1 @@\n-hello\n+hi\n"
    )
    builder.forge.write("pkgs/a/recipe/output/build.sh", "test $(cat hello.txt) = hi\ncp hello.txt $PREFIX/\n")
    builder.forge.recipe(
        "a",
        """
        package: {name: a, version: '1'}
        source: {path: ../src, patches: [patches/hi.patch]}
        build: {noarch: generic, script: {file: output/build.sh}}
        """,
    )
    assert builder.build("a").artifact.file_count == 1


def test_a_build_changes_nothing_of_the_forge_but_its_folder(builder: Builder) -> None:
    builder.forge.package("a", "echo evil > $RECIPE_DIR/evil; mkdir -p $PREFIX; touch $PREFIX/a")
    place = builder.place()
    before = digest_tree(builder.forge.root / "pkgs")
    builder.build("a", place=place)
    assert digest_tree(builder.forge.root / "pkgs") == before


def test_a_failing_script_is_named_with_its_command_and_error(builder: Builder) -> None:
    builder.forge.package(
        "a",
        """
        echo working
        gcc_missing --version
        echo never
        """,
    )
    found = failure(builder, "a")
    assert found.failure_class is FailureClass.SCRIPT
    assert found.reason.startswith("build script failed at `gcc_missing --version`: ")
    assert "command not found" in found.reason
    assert "echo never" not in found.details


def test_the_last_lines_of_the_log_are_kept(builder: Builder) -> None:
    builder.forge.package("a", "for i in $(seq 100); do echo line $i; done 2>/dev/null\nfalse")
    found = failure(builder, "a")
    assert "line 100" in found.details
    assert len(found.details.splitlines()) <= 30


def test_every_line_of_the_log_is_passed_on(builder: Builder) -> None:
    builder.forge.package("a", "echo out ü; echo err >&2; touch $PREFIX/a")
    builder.build("a")
    text = "\n".join(builder.lines)
    assert "out ü" in text
    assert "err" in text


def test_a_failed_solve_names_the_missing_package(builder: Builder) -> None:
    builder.forge.package("a", host=("absent-package >=3",))
    found = failure(builder, "a")
    assert found.failure_class is FailureClass.SOLVE
    assert found.reason.startswith("cannot be solved: ")
    assert "absent-package" in found.reason


def test_a_missing_source_is_named(builder: Builder) -> None:
    builder.forge.recipe(
        "a", "package: {name: a, version: '1'}\nsource: {path: ../nothing}\nbuild: {noarch: generic, script: 'true'}\n"
    )
    assert "nothing: No such file or directory" in failure(builder, "a").reason


def test_a_patch_that_does_not_apply_is_named(builder: Builder) -> None:
    builder.forge.write("pkgs/a/src/hello.txt", "hello\n")
    builder.forge.write("pkgs/a/recipe/bad.patch", "--- a/hello.txt\n+++ b/hello.txt\n@@ -1 +1 @@\n-bye\n+hi\n")
    builder.forge.recipe(
        "a",
        "package: {name: a, version: '1'}\nsource: {path: ../src, patches: [bad.patch]}\n"
        "build: {noarch: generic, script: 'true'}\n",
    )
    assert failure(builder, "a").reason.startswith("patch bad.patch does not apply: hunk #1: could not find context")


def test_a_build_that_takes_too_long_says_so_and_ends(small_forge: SmallForge) -> None:
    small_forge.package("a", f"echo $$ > {small_forge.root}/pid; sleep 300")
    builder = Builder(small_forge, ChildLimits(seconds=3))
    found = failure(builder, "a")
    assert found.failure_class is FailureClass.TIMEOUT
    assert "limits in forge.yaml" in found.reason
    assert not is_running(read_pid(small_forge.root / "pid"))


def test_a_build_that_takes_too_much_memory_says_so_and_ends(small_forge: SmallForge) -> None:
    small_forge.package("a", "python3 -c \"held = b'x' * (400 << 20); import time; time.sleep(100)\"")
    found = failure(Builder(small_forge, ChildLimits(seconds=60, memory=300 << 20)), "a")
    assert found.failure_class is FailureClass.MEMORY


def test_an_interrupted_build_says_so_and_leaves_nothing_running(builder: Builder) -> None:
    builder.forge.package("a", f"setsid sh -c 'echo $$ > {builder.forge.root}/pid; exec sleep 300' & sleep 300")
    found: list[Failure] = []
    thread = threading.Thread(target=lambda: found.append(failure(builder, "a")))
    thread.start()
    pid = read_pid(builder.forge.root / "pid")
    for child in supervisors():
        os.kill(child, signal.SIGTERM)
    thread.join(30)
    assert [item.failure_class for item in found] == [FailureClass.INTERRUPTED]
    assert not is_running(pid)


def test_a_recipe_that_changed_since_it_was_rendered_is_not_built_as_another(builder: Builder) -> None:
    builder.forge.package("a")
    output = builder.forge.output("a")
    builder.forge.edit("a", "name: a", "name: b")
    assert "changed while it was being built" in failure(builder, "a", output=output).reason


def outcomes(builder: Builder, name: str, **place: Any) -> tuple[Outcome, ...]:
    built = builder.build(name)
    tests = builder.forge.output(name).rendered["tests"]
    return run_package_tests(built.file, tests, builder.place(**place), builder.on_log)


TESTS = """
tests:
  - script: ["test -f $PREFIX/share/a.txt"]
  - package_contents: {files: [share/a.txt]}
  - script: ["cat $PREFIX/share/absent.txt"]
  - script: ["true"]
"""


def test_every_test_runs_and_the_failing_ones_say_which_and_why(builder: Builder) -> None:
    builder.forge.package("a", more=TESTS)
    found = outcomes(builder, "a")
    assert [outcome.name for outcome in found] == ["script", "package_contents", "script_2", "script_3"]
    assert [outcome.failure is None for outcome in found] == [True, True, False, True]
    script = found[2].failure
    assert script is not None
    assert script.failure_class is FailureClass.TEST
    assert script.reason.startswith(
        "test script_2 failed at `cat $PREFIX/share/absent.txt`: cat: $PREFIX/share/absent.txt"
    )
    assert "No such file" in script.reason


def test_a_package_without_the_contents_that_it_should_have_fails_a_test(builder: Builder) -> None:
    builder.forge.package("a", more="tests: [{package_contents: {files: [share/b.txt]}}]\n")
    found = failure(builder, "a")
    assert found.failure_class is FailureClass.TEST
    assert found.reason == (
        "test package_contents failed: the package has no share/b.txt; mend the build script, or the test"
    )


def test_a_test_whose_environment_cannot_be_solved_names_what_is_missing(builder: Builder) -> None:
    builder.forge.package("a", run=("absent-package",), test="true")
    (found,) = outcomes(builder, "a")
    assert found.failure is not None
    assert found.failure.failure_class is FailureClass.SOLVE
    assert "absent-package" in found.failure.reason
    assert found.failure.reason.startswith("test script: ")


def test_a_test_that_takes_too_long_says_so(builder: Builder) -> None:
    builder.forge.package("a", test="sleep 300")
    with pytest.raises(BuildFailed) as caught:
        outcomes(builder, "a", limits=ChildLimits(seconds=3))
    assert caught.value.failure.failure_class is FailureClass.TIMEOUT
    assert "the test took longer" in caught.value.failure.reason


def test_builds_side_by_side_do_not_meet(builder: Builder) -> None:
    names = [f"p{i}" for i in range(4)]
    for name in names:
        builder.forge.package(name)
    outputs = {name: builder.forge.output(name) for name in names}
    places = {name: builder.place(limits=GENEROUS) for name in names}
    built: list[str] = []
    threads = [
        threading.Thread(
            target=lambda name=name: built.append(builder.build(name, outputs[name], place=places[name]).artifact.name)
        )
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(built) == names


def test_a_folder_without_write_permission_is_removed(tmp_path: Path) -> None:
    inner = tmp_path / "work" / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "file").write_text("x")
    inner.chmod(0o500)
    inner.parent.chmod(0o500)
    remove_folder(tmp_path / "work")
    assert not (tmp_path / "work").exists()
    remove_folder(tmp_path / "work")


@pytest.mark.parametrize(
    "edit",
    [
        lambda forge, path: path.write_text("# a comment\n" + path.read_text()),
        lambda forge, path: os.utime(path, (1, 1)),
        lambda forge, path: os.utime(path.parent / "fix.patch", (1, 1)),
        lambda forge, path: forge.edit("a", "{noarch: generic, number: 0}", "{number: 0,   noarch: 'generic'}"),
        lambda forge, path: forge.edit(
            "a", "build: {noarch: generic, number: 0}", "build:\n  number: 0\n  noarch: generic"
        ),
        lambda forge, path: forge.edit("a", "tests: [{script: [one]}]", "tests: [{script: [one, two]}]"),
        lambda forge, path: forge.edit("a", "extra: {recipe-maintainers: [me]}", "extra: {recipe-maintainers: [you]}"),
    ],
    ids=["comment", "touched", "patch-touched", "key-order", "reformatted", "tests", "extra"],
)
def test_the_inputs_of_a_recipe_do_not_change_with(small_forge: SmallForge, edit: Any) -> None:
    assert inputs_after(small_forge, edit) == inputs_after(small_forge, lambda *_: None)


@pytest.mark.parametrize(
    "edit",
    [
        lambda forge, path: (path.parent / "fix.patch").write_text("other"),
        lambda forge, path: (path.parent / "fix.patch").chmod(0o755),
        lambda forge, path: forge.edit("a", "number: 0", "number: 1"),
        lambda forge, path: forge.edit("a", "number: 0}", "number: 0, script: [make]}"),
        lambda forge, path: forge.write("variants.yaml", "flavour: [bitter]\n"),
        lambda forge, path: forge.write("pkgs/a/src/file", "other"),
        lambda forge, path: forge.edit("a", "license: MIT", "license: BSD-3-Clause"),
    ],
    ids=["patch", "mode", "number", "script", "variant", "source", "about"],
)
def test_the_inputs_of_a_recipe_change_with(small_forge: SmallForge, edit: Any) -> None:
    assert inputs_after(small_forge, edit) != inputs_after(small_forge, lambda *_: None)


def inputs_after(forge: SmallForge, edit: Any) -> dict[str, Any]:
    """The input parts of a recipe with everything that binds, after a change of it."""
    forge.configure(channels=[], variants=["variants.yaml"])
    forge.write("variants.yaml", "flavour: [sweet]\n")
    path = forge.recipe(
        "a",
        """
        package: {name: a, version: "1"}
        source: {path: ../src, patches: [fix.patch]}
        build: {noarch: generic, number: 0}
        requirements: {build: ["${{ flavour }}"]}
        tests: [{script: [one]}]
        about: {license: MIT}
        extra: {recipe-maintainers: [me]}
        """,
    )
    forge.write("pkgs/a/recipe/fix.patch", "patch").chmod(0o644)
    forge.write("pkgs/a/src/file", "content")
    edit(forge, path)
    opened = forge.open()
    found = recipe_files(opened, opened.catalog.packages["a"])
    return input_parts(
        forge.output("a"), files=found.files, sources=found.sources, local_packages={}, platform="linux-64"
    )


def test_a_daemon_that_a_script_leaves_behind_does_not_hold_the_build_up(builder: Builder) -> None:
    builder.forge.package("a", "(setsid sleep 302 &)\nmkdir -p $PREFIX/share\ntouch $PREFIX/share/a.txt")
    assert builder.build("a").artifact.file_count == 1


@pytest.mark.integration
@pytest.mark.parametrize(
    "script",
    [
        "printf 'caf\\351\\n'\nfor i in $(seq 5000); do echo a line of text that is fairly long indeed $i; done",
        "mkdir -p $PREFIX/share\nmkfifo $PREFIX/share/named",
    ],
    ids=["output that is not UTF-8", "a named pipe"],
)
def test_a_build_that_the_engine_would_wait_for_until_its_deadline_ends_with_the_reason(
    small_forge: SmallForge, script: str
) -> None:
    small_forge.package("a", script)
    found = failure(Builder(small_forge, ChildLimits(seconds=120, stuck_seconds=5)), "a")
    assert found.failure_class is FailureClass.SCRIPT
    assert "is stuck on a pipe" in found.reason


@pytest.mark.integration
def test_a_build_whose_orchestrator_was_stopped_for_a_while_goes_on(small_forge: SmallForge) -> None:
    small_forge.package("a", "mkdir -p $PREFIX/share\nseq 30000\ntouch $PREFIX/share/a.txt")
    builder = Builder(small_forge, ChildLimits(seconds=120, stuck_seconds=2))
    heard = builder.on_log
    stops = [8.0]

    def stopped(level: str, line: str) -> None:
        if line.strip().endswith("1000") and stops:
            time.sleep(stops.pop())
        heard(level, line)

    builder.on_log = stopped  # type: ignore[method-assign]
    assert builder.build("a").artifact.file_count == 1
    assert not stops
    assert any(line.strip().endswith("30000") for line in builder.lines)


def test_a_folder_whose_path_is_too_long_for_the_engine_is_named_before_it_breaks_off(builder: Builder) -> None:
    builder.forge.package("a")
    place = builder.place(folder=builder.forge.root / ("n" * 240))
    with pytest.raises(
        BuildFailed, match=r"a is built in has \d{3} characters, of which 255 are possible; give the package"
    ):
        builder.build("a", place=place)
