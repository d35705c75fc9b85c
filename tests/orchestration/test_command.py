"""The `wvforge` command as a user runs it: in a process of its own, from another folder than the forge."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from build.places import is_running, read_pid, wait_until
from git_repository import GitRepository
from small_forge import SmallForge

from orchestration.making import make, make_and_publish, published, staged, why_not_made
from orchestration.payloads import payload
from orchestration.upstream import Upstream
from wvforge_dagster.core.failure import SHORT

COMMAND = [sys.executable, "-m", "wvforge_dagster.cli"]
KEYS = [
    "package",
    "partition",
    "platform",
    "state",
    "reason",
    "filename",
    "sha256",
    "channel",
    "gpu",
    "class",
    "class_reason",
    "new_release",
]


def run(forge: SmallForge, *words: str, named: bool = True) -> subprocess.CompletedProcess[str]:
    """Run ``wvforge --forge FORGE WORDS``; without a forge, if it is not named."""
    command = [*COMMAND, *(["--forge", str(forge.root)] if named else []), *words]
    return subprocess.run(command, cwd=forge.root.parent, capture_output=True, text=True, timeout=240)


def fault(done: subprocess.CompletedProcess[str]) -> str:
    """What a command that was refused says: one line, and nothing of Python's."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "Traceback" not in line
    return line


def test_status_as_json_is_a_list_of_objects_in_the_documented_format(small_forge: SmallForge) -> None:
    small_forge.write("variants.yaml", "python: ['3.11', '3.12']\n")
    small_forge.configure(channels=[], variants=["variants.yaml"])
    small_forge.package("a")
    small_forge.recipe(
        "b",
        "package: {name: b, version: '1'}\nbuild: {noarch: generic, skip: ['match(python, \"<3.12\")'], "
        "script: 'echo ${{ python }} > $PREFIX/b'}\nrequirements: {run: [absent]}\n",
    )
    small_forge.recipe("c", "package: [")
    make_and_publish(small_forge, "a")
    done = run(small_forge, "status", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert all(list(row) == KEYS for row in found)
    by_id = {(row["package"], row["partition"]): row for row in found}
    a = by_id["a", None]
    assert (a["state"], a["channel"], a["filename"]) == ("published", "file:output/channel", published(small_forge)[0])
    assert len(a["sha256"]) == 64
    assert by_id["b", "3.11"]["state"] == "skipped"
    assert by_id["b", "3.12"] == {
        "package": "b",
        "partition": "3.12",
        "platform": "linux-64",
        "state": "missing",
        "reason": "never built",
        "filename": None,
        "sha256": None,
        "channel": None,
        "gpu": None,
        "class": "light",
        "class_reason": None,
        "new_release": None,
    }
    assert by_id["c", None]["state"] == "failed"
    assert "pkgs/c/recipe/recipe.yaml" in by_id["c", None]["reason"]


def test_status_and_graph_are_shown_to_people(small_forge: SmallForge) -> None:
    small_forge.package("a")
    small_forge.package("b", host=("a",))
    make(small_forge, "a")
    table, markdown, graph = (run(small_forge, *words) for words in (["status"], ["status", "--markdown"], ["graph"]))
    assert (table.returncode, markdown.returncode, graph.returncode) == (0, 0, 0)
    assert "1 staged, 1 missing" in table.stdout
    assert markdown.stdout.startswith("| package | partition | state |")
    assert graph.stdout == "level 0\n  a\nlevel 1\n  b  <- a (host)\n"


def test_explain_shows_the_parts_of_a_package_and_each_that_changed(small_forge: SmallForge) -> None:
    small_forge.write("variants.yaml", "cuda_version: ['13.0', '13.2']\n")
    small_forge.configure(channels=[], variants=["variants.yaml"])
    small_forge.package("low")
    small_forge.write("pkgs/mid/recipe/fix.patch", "one\n")
    small_forge.recipe(
        "mid",
        """
        package: {name: mid, version: "1.0"}
        build: {script: "touch $PREFIX/mid", variant: {use_keys: [cuda_version]}}
        requirements: {host: [low]}
        tests: [{script: ["true"]}]
        """,
    )
    make(small_forge, "low")
    make(small_forge, "mid", "13.0")
    (low,), (mid,) = small_forge.status("low").artifacts, small_forge.status("mid", "13.0").artifacts
    done = run(small_forge, "explain", "mid")
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.split("\n\n")
    lines = first.splitlines()
    assert lines[0] == "mid[13.0]: staged: not yet in file:output/channel"
    assert "changed since it was built" not in first
    assert mid.record is not None
    assert f"  inputs of mid 1.0, digest {mid.record.input_digest}" in lines
    assert "    variant cuda_version: 13.0" in lines
    assert f"    local package low 1.0: content {low.content}" in lines
    assert any(line.startswith("    file fix.patch: ") for line in lines)
    assert f"  package {mid.filename}: sha256 {mid.sha256}" in lines
    assert f"    host environment: low 1.0 {low.build} {low.sha256}" in lines
    assert second.startswith("mid[13.2]: missing: never built")
    assert "last package" not in second
    small_forge.write("pkgs/mid/recipe/fix.patch", "two\n")
    small_forge.edit("mid", "touch $PREFIX/mid", "touch $PREFIX/mid $PREFIX/more")
    lines = run(small_forge, "explain", "mid", "13.0").stdout.splitlines()
    assert lines[0].startswith("mid[13.0]: stale: fix.patch: content; build.script: ")
    assert lines[1:3] == ["  changed since it was built:", "    fix.patch: content"]
    old, new = lines[3:5]
    assert old.startswith("      - ") and new.startswith("      + ") and old[8:] != new[8:]
    assert f"  last package {mid.filename}: sha256 {mid.sha256}" in lines


def test_explain_refuses_a_package_or_a_partition_that_is_not_there(small_forge: SmallForge) -> None:
    small_forge.package("a")
    assert "no package 'b' in this forge; it has a" in fault(run(small_forge, "explain", "b"))
    assert "a: no partition '13.0'; it has none: it is not partitioned" in fault(
        run(small_forge, "explain", "a", "13.0")
    )


def test_status_asks_git_servers_where_it_is_told_to_and_says_which_cannot_be_asked(
    small_forge: SmallForge, tmp_path: Path
) -> None:
    source = GitRepository(tmp_path / "source")
    old = source.commit(word="one")
    small_forge.package("a", "cp word $PREFIX/word", more=f"source: {{git: {source.url}, branch: main}}\n")
    make_and_publish(small_forge, "a")
    new = source.commit(word="two")
    (row,) = json.loads(run(small_forge, "status", "--json").stdout)
    assert row["state"] == "published"
    done = run(small_forge, "status", "--json", "--refresh")
    assert (done.returncode, done.stderr) == (0, "")
    (row,) = json.loads(done.stdout)
    assert row["state"] == "stale"
    assert row["reason"] == f"source {source.url}@refs/heads/main: commit {old[:12]} -> commit {new[:12]}"
    source.folder.rename(tmp_path / "gone")
    done = run(small_forge, "status", "--json", "--refresh")
    assert done.returncode == 0
    assert done.stderr.startswith(f"warning: source {source.url}@refs/heads/main: cannot be asked: ")
    assert json.loads(done.stdout) == [row], "what was known stays"


def test_a_nightly_run_that_is_only_looked_at_builds_nothing(small_forge: SmallForge) -> None:
    small_forge.package("a")
    small_forge.package("b", host=("a",))
    make_and_publish(small_forge, "a")
    done = run(small_forge, "nightly", "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "make b: never built",
        "no change a: its environments were solved anew, with no change",
    ]
    assert small_forge.states() == {"a": "published", "b": "missing"}


@pytest.mark.integration
def test_a_nightly_run_rebuilds_what_changed_upstream_and_what_builds_against_it(
    small_forge: SmallForge, tmp_path: Path
) -> None:
    upstream = Upstream(tmp_path / "upstream")
    upstream.add("header", "1.0")
    small_forge.configure(channels=[upstream.setting], variants=[], **{"rebuild-on": ["host"]})
    small_forge.package(
        "a", "mkdir -p $PREFIX/share; cp $PREFIX/share/header.txt $PREFIX/share/a.txt", host=("header",)
    )
    small_forge.package("b", host=("a",))
    small_forge.package("late", host=("not-yet",))
    make_and_publish(small_forge, "a", "b")
    upstream.add("header", "2.0")
    done = run(small_forge, "nightly")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "rebuild a: host header: 1.0 " in done.stdout
    assert "unsolvable (solve): late: " in done.stderr
    assert "not-yet" in done.stderr
    assert small_forge.states() == {"a": "published", "b": "published", "late": "unsolvable"}
    assert payload(small_forge, "a") == "header 2.0"
    upstream.add("not-yet")
    done = run(small_forge, "nightly")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rebuild " not in done.stdout
    assert set(small_forge.states().values()) == {"published"}


@pytest.mark.parametrize("words", [["status"], ["build"], ["graph"], ["status", "--json"]])
def test_a_bad_forge_yaml_is_one_line_and_exit_status_2(small_forge: SmallForge, words: list[str]) -> None:
    small_forge.write("forge.yaml", "chanels: [conda-forge]\n")
    assert f"{small_forge.root}/forge.yaml: chanels: unknown key; known keys: " in fault(run(small_forge, *words))


@pytest.mark.parametrize(
    ("text", "words"),
    [("a: [", "forge.yaml:2: malformed YAML"), ("limits: {hours: -1}", "forge.yaml: limits.hours: ")],
)
def test_a_malformed_forge_yaml_is_named(small_forge: SmallForge, text: str, words: str) -> None:
    small_forge.write("forge.yaml", text + "\n")
    assert words in fault(run(small_forge, "status"))


def test_a_bad_publish_target_is_named(small_forge: SmallForge) -> None:
    small_forge.configure(publish=[{"fil": "x"}])
    assert "forge.yaml: publish.0" in fault(run(small_forge, "status"))


def test_a_missing_forge_or_variants_file_is_named(small_forge: SmallForge) -> None:
    small_forge.configure(channels=[], variants=["variants.yaml"])
    assert "variants.yaml: no such file" in fault(run(small_forge, "status"))
    (small_forge.root / "forge.yaml").unlink()
    assert "forge.yaml: no such file" in fault(run(small_forge, "status"))
    assert "no such folder" in fault(run(small_forge, "--forge", "/nonexistent", "status", named=False))


def test_a_package_or_a_column_that_is_not_there_is_named(small_forge: SmallForge) -> None:
    small_forge.package("a")
    assert "no package 'nope' in this forge; it has a" in fault(run(small_forge, "build", "nope"))
    assert "--python: no column '3.9'" in fault(run(small_forge, "build", "--python", "3.9"))


def test_an_unknown_option_is_exit_status_2(small_forge: SmallForge) -> None:
    assert run(small_forge, "build", "--nope").returncode == 2
    assert run(small_forge, "build", "--jobs", "0").returncode == 2


def test_the_forge_is_found_by_the_environment_and_upwards(
    small_forge: SmallForge, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_forge.package("here")
    inner = small_forge.root / "pkgs/here"
    done = subprocess.run([*COMMAND, "graph"], cwd=inner, capture_output=True, text=True, timeout=60)
    assert done.stdout == "level 0\n  here\n"
    monkeypatch.setenv("WVFORGE_FORGE", str(small_forge.root))
    assert run(small_forge, "graph", named=False).stdout == "level 0\n  here\n"


@pytest.mark.integration
def test_a_good_forge_is_built_published_and_then_left_alone(small_forge: SmallForge) -> None:
    small_forge.package("a", test="test -f $PREFIX/share/a.txt")
    small_forge.package("b", host=("a",))
    small_forge.package("c", run=("b",), test="test -f $PREFIX/share/b.txt")
    first = run(small_forge, "build")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "3 published" in first.stdout
    assert small_forge.states() == {"a": "published", "b": "published", "c": "published"}
    before = published(small_forge)
    again = run(small_forge, "build")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "making" not in again.stderr
    assert published(small_forge) == before
    shutil.rmtree(small_forge.root / "output/dagster")
    assert small_forge.states() == {"a": "published", "b": "published", "c": "published"}


@pytest.mark.integration
def test_a_failing_package_is_exit_status_1_blocks_its_dependents_and_lets_the_rest_be_built(
    small_forge: SmallForge,
) -> None:
    small_forge.package("bad", "gcc_missing --version")
    small_forge.package("above", host=("bad",))
    small_forge.package("other")
    small_forge.package("lacking", host=(f"absent-{'x' * 100}",))
    small_forge.recipe("broken", "package: [")
    done = run(small_forge, "build")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "gcc_missing" in done.stderr
    assert "log: " in done.stderr
    assert small_forge.status("lacking").state == "unsolvable"
    reason = small_forge.status("lacking").reason
    assert len(reason) > SHORT
    assert (done.stdout + done.stderr).count(reason) == 1
    assert f"unsolvable (solve): lacking: {reason}" in done.stderr
    assert "Traceback" not in done.stderr
    states = {"bad": "failed", "above": "blocked", "other": "published", "lacking": "unsolvable", "broken": "failed"}
    assert small_forge.states() == states
    again = run(small_forge, "build")
    assert again.returncode == 1
    assert "not tried again" in again.stderr


@pytest.mark.integration
def test_a_failing_test_is_exit_status_1_and_nothing_of_it_is_staged(small_forge: SmallForge) -> None:
    small_forge.package("a", test="cat absent")
    for _ in range(2):
        done = run(small_forge, "build")
        assert done.returncode == 1, done.stdout + done.stderr
        assert "test script failed at `cat absent`" in done.stderr
        assert (staged(small_forge), published(small_forge)) == ([], [])
    small_forge.package("a")
    assert run(small_forge, "build", "--no-publish").returncode == 0
    assert small_forge.states() == {"a": "staged"}


@pytest.mark.integration
@pytest.mark.parametrize(
    ("number", "word"),
    [
        (signal.SIGINT, "interrupted"),
        (signal.SIGTERM, "terminated"),
    ],
)
def test_ending_a_build_ends_everything_below_it_and_the_next_one_goes_on(
    small_forge: SmallForge, number: signal.Signals, word: str
) -> None:
    small_forge.configure(channels=[], variants=[], isolation="off")  # its script speaks with the test through files
    slow = small_forge.root / "slow"
    slow.touch()
    small_forge.package("a")
    small_forge.package(
        "b",
        f"""
        if test -f {slow}; then
          setsid sh -c 'echo $$ > {small_forge.root}/pid; exec sleep 300' &
          wait
        fi
        touch $PREFIX/b
        """,
        host=("a",),
    )
    process = subprocess.Popen(
        [*COMMAND, "--forge", str(small_forge.root), "build"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Tests that a shell started in the background inherit that it is ignored.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # noqa: PLW1509
    )
    orphan = read_pid(small_forge.root / "pid", seconds=90)
    os.kill(process.pid, number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert said.splitlines()[-1] == f"wvforge: {word}; what was built is kept, build again to go on"
    assert "resource_tracker" not in said
    try:
        assert wait_until(lambda: not is_running(orphan), 15)
    finally:
        if is_running(orphan):
            os.kill(orphan, signal.SIGKILL)
    slow.unlink()
    done = run(small_forge, "build")
    assert done.returncode == 0, done.stdout + done.stderr
    assert small_forge.states() == {"a": "published", "b": "published"}
    assert len(published(small_forge)) == 2


def test_why_a_package_was_not_made_is_shown_by_status(small_forge: SmallForge, tmp_path: Path) -> None:
    small_forge.package("a", "gcc_missing --version")
    why_not_made(small_forge, "a")
    (row,) = json.loads(run(small_forge, "status", "--json").stdout)
    assert (row["state"], row["filename"]) == ("failed", None)
    assert row["reason"].startswith("build script failed at `gcc_missing --version`")


@pytest.mark.integration
def test_a_build_publishes_past_a_named_pipe_in_a_packages_place_and_names_it_in_one_line(
    small_forge: SmallForge,
) -> None:
    small_forge.package("a")
    make(small_forge, "a")
    pipe = small_forge.root / "output" / "channel" / "noarch" / staged(small_forge)[0]
    pipe.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(pipe)
    done = run(small_forge, "build")
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if pipe.name in line] == [
        f"warning: {pipe}.corrupt: was in the way and is no package; it has this name now; look at it, and remove it by hand"
    ]
    assert (small_forge.states(), pipe.is_file()) == ({"a": "published"}, True)
