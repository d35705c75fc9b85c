"""``wvforge channel`` and the dry run of ``wvforge build``, on real forges and real channels."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import dagster as dg
import pytest
from channels.packages import make_package
from small_forge import SmallForge
from typer.testing import CliRunner, Result

from orchestration.making import make, make_and_publish, publish, published, staged
from wvforge_dagster.cli import app
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.orchestration.code_location import forge_definitions
from wvforge_dagster.orchestration.evidence import known_filenames
from wvforge_dagster.orchestration.instance import open_quiet_instance, prepare_home

TARGET = "file:output/channel"
IN_COLUMNS = """
package: {name: mid, version: "1.0"}
build:
  variant: {use_keys: [cuda_version]}
  script: ["mkdir -p $PREFIX/share", "cat $PREFIX/share/low.txt > $PREFIX/share/mid.txt"]
requirements: {host: [low], run: [low]}
"""
BY_COLUMN = [{"file": "output/channel"}, {"file": "public", "publish": "by-column"}]


def run(forge: SmallForge, *words: str) -> Result:
    """The command in this process. A `ForgeError` is exit status 2, as `main` has it."""
    result = CliRunner().invoke(app, ["--forge", str(forge.root), *words])
    if isinstance(result.exception, ForgeError):
        result.exit_code = 2
    elif result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def build_again(forge: SmallForge, name: str, *contents: str) -> None:
    """Builds of other contents, each under the next number."""
    for content in contents:
        forge.package(name, f"mkdir -p $PREFIX/share; echo {content} > $PREFIX/share/{name}.txt")
        make_and_publish(forge, name)


def tree(folder: Path) -> dict[Path, bytes | None]:
    """Everything below a folder, but for what is kept of renderings."""
    return {
        path: path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if "cache" not in path.relative_to(folder).parts
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a forge in which `low` and `other` are published, and of whose channels tests take copies."""
    forge = SmallForge(tmp_path_factory.mktemp("made"))
    forge.package("low")
    forge.package("other")
    make_and_publish(forge, "low", "other")
    return forge.root


@pytest.fixture
def forge(made: Path, small_forge: SmallForge) -> SmallForge:
    shutil.rmtree(small_forge.root)
    shutil.copytree(made, small_forge.root)
    return small_forge


def test_a_forge_in_order_is_verified_with_exit_status_0(forge: SmallForge) -> None:
    done = run(forge, "channel", "verify")
    assert (done.exit_code, done.stdout) == (
        0,
        f"staging: 2 files compared, nothing wrong\n{TARGET}: 2 files compared, nothing wrong\n",
    )
    assert run(forge, "channel", "verify", "file:elsewhere").exit_code == 2


def test_damage_is_named_blocks_no_other_package_and_is_put_right(forge: SmallForge) -> None:
    noarch = forge.root / "output" / "channel" / "noarch"
    (low,) = noarch.glob("low-*.conda")
    content = bytearray(low.read_bytes())
    content[len(content) // 2] ^= 255
    low.write_bytes(content)
    (noarch / "bad-1.0-0.conda").write_bytes(b"no package")
    done = run(forge, "channel", "verify", TARGET)
    assert done.exit_code == 1
    assert f"{TARGET}/noarch/{low.name}: was changed: its sha256 is" in done.stdout
    assert f"{TARGET}/noarch/bad-1.0-0.conda: is no package of this channel" in done.stdout
    assert all("; " in line for line in done.stdout.splitlines()[:-1])
    forge.package("another")
    make_and_publish(forge, "another")
    assert forge.states() == {"low": "published", "other": "published", "another": "published"}
    replaced = run(forge, "channel", "replace", TARGET, low.name)
    assert (replaced.exit_code, "REPLACED" in replaced.stderr) == (0, True)
    done = run(forge, "channel", "verify", TARGET)
    aside = f"{TARGET}: set aside: noarch/bad-1.0-0.conda.corrupt; look at it, and remove it by hand\n"
    assert (done.exit_code, done.stdout) == (0, f"{aside}{TARGET}: 3 files compared, nothing wrong\n")


def test_what_the_forge_expects_is_named_and_what_it_does_not_is_told(forge: SmallForge) -> None:
    forge.package("new")
    shutil.rmtree(forge.root / "pkgs" / "other")
    build_again(forge, "low", "one")
    make(forge, "new")
    forge.package("never")
    done = run(forge, "channel", "verify", TARGET)
    assert done.exit_code == 1
    assert f"{TARGET}: never: is expected there, and is missing (never built); wvforge build" in done.stdout
    assert f"{TARGET}: new: new-1.0-" in done.stdout
    assert f"{TARGET}: not expected: low: 1 older build; wvforge channel prune" in done.stdout
    assert f"{TARGET}: not expected: other: 1 package, retired; wvforge channel prune" in done.stdout
    assert len([line for line in done.stdout.splitlines() if "not expected" not in line]) == 3


def test_an_index_is_repaired_and_no_package_is_changed(forge: SmallForge) -> None:
    channel = forge.root / "output" / "channel"
    (channel / "noarch" / "repodata.json").write_text("{")
    packages = {path: path.read_bytes() for path in channel.glob("*/*.conda")}
    assert "not compared: what the forge expects there" in run(forge, "channel", "verify", TARGET).stdout
    done = run(forge, "channel", "verify", TARGET, "--repair")
    assert done.exit_code == 0, done.stdout
    assert "found: " in done.stdout
    assert {path: path.read_bytes() for path in channel.glob("*/*.conda")} == packages
    assert forge.states() == {"low": "published", "other": "published"}


def test_a_repair_writes_no_index_where_only_something_is_to_be_built(forge: SmallForge) -> None:
    forge.package("never")
    index = forge.root / "output" / "channel" / "noarch" / "repodata.json"
    before = index.stat()
    done = run(forge, "channel", "verify", TARGET, "--repair")
    assert (done.exit_code, "never: is expected there" in done.stdout, "found: " in done.stdout) == (1, True, False)
    assert (index.stat().st_ino, index.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_target_whose_index_cannot_be_read_stops_no_other_one(forge: SmallForge) -> None:
    forge.configure(channels=[], variants=[], publish=[{"file": "output/channel"}, {"file": "other"}])
    index = forge.write("other/noarch/repodata.json", "{")
    shown = run(forge, "status")
    assert shown.exit_code == 0
    assert shown.stderr.count("\n") == 1
    assert "warning: file:other counts as empty: " in shown.stderr
    assert "wvforge channel verify --repair" in shown.stderr
    assert forge.states() == {"low": "staged", "other": "staged"}
    for command, words in ((["verify"], "2 files compared"), (["prune", "--keep", "1"], "0 gone, 2 stay")):
        done = run(forge, "channel", *command)
        assert done.exit_code == 1
        assert str(index.relative_to(forge.root)) in done.stdout + done.stderr
        assert f"{TARGET}: {words}" in done.stdout, done.stdout


def test_a_book_of_removed_names_that_cannot_be_read_is_not_written_over(forge: SmallForge) -> None:
    build_again(forge, "low", "one")
    book = forge.write("output/removed.json", "[")
    done = run(forge, "channel", "prune", "--keep", "1", TARGET)
    assert done.exit_code == 1
    assert f"{book}: cannot be read: it is no JSON in UTF-8; put it right" in done.stderr
    assert (book.read_text(), len(published(forge))) == ("[", 3)


def test_old_builds_go_except_for_what_is_needed_and_their_names_are_not_used_again(forge: SmallForge) -> None:
    build_again(forge, "low", "one")
    second = forge.status("low").artifacts[0]
    forge.package("top", run=(f"low ==1.0 {second.build}",))
    make_and_publish(forge, "top")
    build_again(forge, "low", "two", "three", "four")
    oldest, _, third, fourth, newest = (name for name in published(forge) if name.startswith("low-"))
    before = tree(forge.root / "output")
    planned = run(forge, "channel", "prune", "--keep", "1", "--dry-run")
    assert planned.exit_code == 0, planned.stdout + planned.stderr
    assert tree(forge.root / "output") == before
    done = run(forge, "channel", "prune", "--keep", "1", TARGET)
    assert done.exit_code == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[:3] == [f"{TARGET}: gone: noarch/{name}" for name in (oldest, third, fourth)]
    assert f"{TARGET}: stays: noarch/{newest}: number 1 of the newest" in lines
    assert any(f"noarch/{second.filename}: top-1.0-" in line and "depends on it" in line for line in lines)
    assert lines[-1] == f"{TARGET}: 3 gone, 4 stay"
    assert [name for name in published(forge) if name.startswith("low-")] == [second.filename, newest]
    assert not (forge.root / "output" / "channel" / "noarch" / oldest).exists()
    assert forge.states() == {"low": "published", "other": "published", "top": "published"}
    shutil.rmtree(forge.root / "output" / "staging")
    assert {oldest, third, fourth} <= known_filenames(forge.open())
    assert run(forge, "channel", "verify", TARGET).exit_code == 0


def test_what_a_package_of_another_target_depends_on_stays_and_what_is_not_known_is_not_removed(
    small_forge: SmallForge,
) -> None:
    small_forge.configure(
        channels=[], variants=[], publish=[{"file": "a", "only": ["low"]}, {"file": "b", "only": ["top"]}]
    )
    small_forge.package("low")
    make_and_publish(small_forge, "low")
    needed = small_forge.status("low").artifacts[0]
    small_forge.package("top", run=(f"low ==1.0 {needed.build}",))
    make_and_publish(small_forge, "top")
    shutil.rmtree(small_forge.root / "pkgs" / "top")
    build_again(small_forge, "low", "one", "two")
    index = small_forge.root / "b" / "noarch" / "repodata.json"
    content = index.read_bytes()
    index.write_text("{")
    done = run(small_forge, "channel", "prune", "--keep", "1", "file:a")
    assert done.exit_code == 1
    assert "file:a: is not pruned: whether others depend on its old builds is not known: " in done.stderr
    index.write_bytes(content)
    done = run(small_forge, "channel", "prune", "--keep", "1", "file:a")
    assert done.exit_code == 0, done.stdout + done.stderr
    assert f"noarch/{needed.filename}: top-1.0-" in done.stdout
    assert "in file:b depends on it" in done.stdout
    assert done.stdout.splitlines()[-1] == "file:a: 1 gone, 2 stay"


def test_what_waits_keeps_all_its_builds_for_one_of_them_may_be_current(forge: SmallForge) -> None:
    forge.package("top", host=("low",))
    make_and_publish(forge, "top")
    forge.package("top", "mkdir -p $PREFIX/share; echo two > $PREFIX/share/top.txt", host=("low",))
    make_and_publish(forge, "top")
    forge.package("low", "mkdir -p $PREFIX/share; echo two > $PREFIX/share/low.txt")
    assert forge.states() == {"low": "stale", "top": "waiting", "other": "published"}
    done = run(forge, "channel", "prune", "--keep", "1", TARGET)
    assert done.exit_code == 0, done.stdout + done.stderr
    assert len([name for name in published(forge) if name.startswith("top-")]) == 2
    assert "which build its package variant is current with is not known yet" in done.stdout


def test_a_column_reaches_its_target_as_a_whole_once_all_of_it_passed(small_forge: SmallForge) -> None:
    small_forge.write("variants.yaml", "cuda_version: ['13.0', '13.2']\n")
    small_forge.configure(channels=[], publish=BY_COLUMN)
    small_forge.package("low")
    small_forge.recipe("mid", IN_COLUMNS)
    public = small_forge.root / "public"
    make_and_publish(small_forge, "low")
    assert small_forge.status("low").reason == "waits for its column 13.0: 1 of 2 passed"
    early = run(small_forge, "channel", "promote", "13.0")
    assert (early.exit_code, early.stdout) == (
        1,
        "column 13.0: 1 of 2 passed; it is not promoted\nmid[13.0] is missing: never built\n",
    )
    make(small_forge, "mid", "13.0")
    publish(small_forge, "mid", "13.0")
    assert (
        not (public / "noarch" / "repodata.json").exists()
        or json.loads((public / "noarch" / "repodata.json").read_text())["packages.conda"] == {}
    )
    assert small_forge.status("mid", "13.0").reason == (
        "waits for its column: 2 of 2 passed; wvforge channel promote '13.0'"
    )
    before = tree(small_forge.root)
    planned = run(small_forge, "channel", "promote", "13.0", "--dry-run")
    assert (planned.exit_code, tree(small_forge.root)) == (0, before)
    assert "file:public: low-1.0-" in planned.stdout
    done = run(small_forge, "channel", "promote", "13.0")
    assert done.exit_code == 0, done.stdout + done.stderr
    assert small_forge.states() == {"low": "published", "mid[13.0]": "published", "mid[13.2]": "missing"}
    assert run(small_forge, "channel", "promote", "12.0").exit_code == 2
    again = run(small_forge, "channel", "promote", "13.0")
    assert (again.exit_code, "holds all of it" in again.stdout) == (0, True)


def test_the_job_promotes_what_is_complete_and_goes_on_where_another_was_ended(forge: SmallForge) -> None:
    forge.configure(channels=[], variants=[], publish=BY_COLUMN)
    assert forge.states() == {"low": "staged", "other": "staged"}
    opened = forge.open()
    half = opened.staging.entries()[:1]
    (public,) = (channel for _, channel in opened.targets_by_column)
    public.publish([opened.staging.fetch(entry, forge.root) for entry in half])
    assert forge.states() == {"low": "published", "other": "staged"}
    prepare_home(opened)
    job = forge_definitions(opened).get_repository_def().get_job("promote")
    with open_quiet_instance(opened, None) as instance:
        wrong = {"ops": {"promote_columns": {"config": {"columns": ["9.9"]}}}}
        with pytest.raises(dg.Failure, match=r"no column '9\.9'"):
            job.execute_in_process(instance=instance, run_config=wrong)
        assert job.execute_in_process(instance=instance).success
    assert forge.states() == {"low": "published", "other": "published"}


def test_promoting_without_a_target_for_columns_is_refused(forge: SmallForge) -> None:
    done = run(forge, "channel", "promote")
    assert (done.exit_code, str(done.exception).split(": ")[-1]) == (
        2,
        "by-column; packages are published one by one",
    )


def test_a_file_is_replaced_by_name_only(forge: SmallForge) -> None:
    (low,) = (name for name in staged(forge) if name.startswith("low-"))
    assert "holds the staged" in run(forge, "channel", "replace", TARGET, low).stdout
    shutil.rmtree(forge.root / "output" / "staging")
    shutil.rmtree(forge.root / "output" / "cache")
    (forge.root / "output" / "channel").rename(forge.root / "elsewhere")
    make(forge, "low", force=True)
    shutil.rmtree(forge.root / "output" / "channel")
    (forge.root / "elsewhere").rename(forge.root / "output" / "channel")
    assert staged(forge) == [low], "the same name with another time in it"
    assert forge.status("low").state.value == "published", "the old one is as good"
    done = run(forge, "channel", "replace", TARGET, low)
    assert done.exit_code == 0, done.stdout + done.stderr
    assert "REPLACED" in done.stderr
    (target,) = (entry for entry in forge.open().targets[0][1].entries() if entry.name == "low")
    (mine,) = forge.open().staging.entries()
    assert target.sha256 == mine.sha256
    assert run(forge, "channel", "replace", TARGET, "absent-1.0-0.conda").exit_code == 2
    assert run(forge, "channel", "replace", "staging", low).exit_code == 2


@pytest.mark.parametrize("whose", ["this forge's", "somebody's"])
@pytest.mark.parametrize("remedy", ["replace", "build"])
def test_a_file_of_another_content_that_hides_the_staged_one_is_named_with_remedies_that_hold(
    forge: SmallForge, tmp_path: Path, whose: str, remedy: str
) -> None:
    (low,) = (name for name in staged(forge) if name.startswith("low-"))
    channel = forge.root / "output" / "channel"
    if whose == "somebody's":
        other = make_package(tmp_path, "low").path
        shutil.copy(other, channel / "noarch" / low)
    else:
        (tmp_path / "twin").mkdir()
        twin = SmallForge(tmp_path / "twin")
        twin.package("low", "mkdir -p $PREFIX/share; echo twin > $PREFIX/share/low.txt")
        make_and_publish(twin, "low")
        shutil.copy(tmp_path / "twin" / "output" / "channel" / "noarch" / low, channel / "noarch" / low)
    assert run(forge, "channel", "verify", TARGET, "--repair").exit_code == 1
    done = run(forge, "channel", "verify", TARGET)
    replace = f"wvforge channel replace {TARGET} {low}"
    words = (
        f"{TARGET}: low: {low} is there with other content than in staging; {replace} puts the staged one there, or "
    )
    assert (done.exit_code, words in done.stdout) == (1, True), done.stdout
    assert f"{TARGET}: 2 files compared, 1 finding\n" in done.stdout
    if remedy == "replace":
        assert run(forge, *replace.split()[1:]).exit_code == 0
    else:
        make_and_publish(forge, "low")
        assert low.replace("_0.conda", "_1.conda") in published(forge)
    assert run(forge, "channel", "verify", TARGET).exit_code == 0
    assert forge.states() == {"low": "published", "other": "published"}


def test_a_dry_build_says_what_it_would_do_in_order_and_touches_nothing(small_forge: SmallForge) -> None:
    small_forge.configure(channels=[], variants=[], publish=BY_COLUMN)
    small_forge.package("a")
    small_forge.package("b", host=("a",))
    done = run(small_forge, "build", "--dry-run")
    assert (done.exit_code, done.stdout.splitlines()) == (
        0,
        [
            "would build: a: never built",
            f"would publish: a: what comes out to {TARGET}",
            "would wait: a: for its column, before file:public",
            "would build: b: never built; builds against a",
            f"would publish: b: what comes out to {TARGET}",
            "would wait: b: for its column, before file:public",
            "2 to build or test, 0 to publish only; nothing was done",
        ],
    )
    assert {path.name for path in (small_forge.root / "output").iterdir()} <= {"cache"}
    assert not (small_forge.root / "public").exists()
    make(small_forge, "a")
    before = tree(small_forge.root)
    (a,) = staged(small_forge)
    lines = run(small_forge, "build", "--dry-run").stdout.splitlines()
    assert lines[0] == f"would publish: a: {a} to {TARGET}"
    assert lines[-1] == "1 to build or test, 1 to publish only; nothing was done"
    assert tree(small_forge.root) == before


def test_a_dry_build_names_what_is_known_to_fail_and_what_that_blocks_with_a_builds_exit_status(
    small_forge: SmallForge,
) -> None:
    small_forge.package("good")
    small_forge.package("failing", "exit 1")
    small_forge.package("lacking", host=("absent",))
    small_forge.package("above", host=("failing",))
    small_forge.recipe("broken", "package: [")
    assert run(small_forge, "build", "failing", "lacking").exit_code == 1
    done = run(small_forge, "build", "--dry-run")
    lines = done.stdout.splitlines()
    assert done.exit_code == 1
    assert lines[0] == "would build: good: never built"
    bad = {line.split(": ")[1]: line for line in lines[2:-1]}
    assert bad.keys() == {"failing", "lacking", "above", "broken"}
    assert bad["failing"].startswith("would not try again: failing: failed: ")
    assert bad["lacking"].startswith("would solve again: lacking: unsolvable when it was last tried: ")
    assert bad["above"] == "would be blocked: above: by failing"
    assert bad["broken"].startswith("would fail: broken: ")
    assert lines[-1] == "1 to build or test, 0 to publish only, 4 that cannot be made; nothing was done"
    assert run(small_forge, "build", "good", "--dry-run").exit_code == 0


def test_the_only_published_build_of_what_waits_is_not_called_old(forge: SmallForge) -> None:
    forge.package("high", host=("low",))
    make_and_publish(forge, "high")
    forge.edit("low", "echo low", "echo changed")
    assert forge.states()["high"] == "waiting"
    done = run(forge, "channel", "verify", TARGET)
    assert (done.exit_code, "older build" in done.stdout) == (0, False), done.stdout
