"""New releases: found where the sources are, shown, and a recipe moved to one, or left as it was."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from git_repository import GitRepository
from releases.release_server import ReleaseServer, release_server
from small_forge import SmallForge
from typer.testing import Result

from orchestration.making import make
from orchestration.test_channel_commands import run
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.orchestration.code_location import forge_definitions
from wvforge_dagster.orchestration.instance import open_quiet_instance
from wvforge_dagster.orchestration.keys import package_key
from wvforge_dagster.orchestration.updates import new_releases

PATCH = """\
--- a/hello.txt
+++ b/hello.txt
@@ -1,2 +1,2 @@
 first
-second
+changed
"""
RECIPE = """\
# A package of the forge's own.
context:
  version: "1.0"  # the release

package:
  name: thing
  version: ${{{{ version }}}}

source:
  url: {url}/src/thing-${{{{ version }}}}.tar.gz
  sha256: {sha256}  # of the archive
  patches:
    - fix.patch

build:
  number: 3
  noarch: generic
  script: mkdir -p $PREFIX/share && cp hello.txt $PREFIX/share/thing.txt
about:
  license: MIT
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ReleaseServer]:
    with release_server(tmp_path / "served") as served:
        yield served


def archive(server: ReleaseServer, version: str, text: str = "first\nsecond\n") -> str:
    """Release a version as an archive; its sha256."""
    path = server.folder / "src" / f"thing-{version}.tar.gz"
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w:gz") as target:
        member = tarfile.TarInfo(f"thing-{version}/hello.txt")
        member.size = len(text)
        target.addfile(member, io.BytesIO(text.encode()))
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def forge(small_forge: SmallForge, server: ReleaseServer) -> SmallForge:
    """A forge with `thing` 1.0, of which 1.1 is released."""
    text = RECIPE.format(url=server.url, sha256=archive(server, "1.0"))
    path = small_forge.recipe("thing", text)
    path.with_name("fix.patch").write_text(PATCH, encoding="utf-8")
    archive(server, "1.1")
    archive(server, "2.0rc1")
    return small_forge


def recipe(forge: SmallForge) -> str:
    return (forge.root / "pkgs/thing/recipe/recipe.yaml").read_text(encoding="utf-8")


def updates(forge: SmallForge, *words: str) -> Result:
    return run(forge, "updates", *words)


def test_a_new_release_is_found_kept_and_shown_until_the_recipe_has_it(
    forge: SmallForge, server: ReleaseServer
) -> None:
    forge.package("plain")
    assert new_releases(forge.open()) == {}
    found = updates(forge)
    assert (found.exit_code, found.stdout) == (
        0,
        f"plain: 1.0 is not followed\nthing: 1.0 -> 1.1 ({server.url}/src/)\n",
    )
    asked = len(server.asked)
    assert new_releases(forge.open()) == {"thing": "1.1"}
    forge.edit("thing", '"1.0"', '"1.1"')
    assert new_releases(forge.open()) == {}
    assert len(server.asked) == asked, "what is shown asks nobody"
    assert updates(forge, "thing").stdout == f"thing: 1.1 is the newest ({server.url}/src/)\n"


def test_a_recipe_says_that_it_is_not_followed_or_how(forge: SmallForge, server: ReleaseServer) -> None:
    archive(server, "2.0")
    forge.edit("thing", "about:", "extra: {wvforge: {updates: '1.*'}}\nabout:")
    assert updates(forge).stdout == f"thing: 1.0 -> 1.1 ({server.url}/src/)\n"
    forge.edit("thing", "'1.*'", "off")
    assert updates(forge).stdout == "thing: 1.0 is not followed\n"
    forge.edit("thing", "updates: off", "updates: [1]")
    found = updates(forge)
    assert found.exit_code == 1
    assert "extra.wvforge.updates: [1] is wrong; write a pattern of versions" in " ".join(found.stderr.split())


def test_a_server_that_does_not_answer_is_one_line_and_what_was_known_stays(
    forge: SmallForge, server: ReleaseServer
) -> None:
    updates(forge)
    for path in (server.folder / "src").iterdir():
        path.unlink()
    (server.folder / "src").rmdir()
    found = updates(forge)
    assert (found.exit_code, found.stdout) == (1, "")
    (line,) = found.stderr.splitlines()
    assert line.startswith(f"warning: thing: {server.url}/src/: cannot be asked for releases: 404 ")
    assert new_releases(forge.open()) == {"thing": "1.1"}


def test_a_recipe_is_moved_and_nothing_else_of_it_changes(forge: SmallForge, server: ReleaseServer) -> None:
    before = recipe(forge)
    mode = (forge.root / "pkgs/thing/recipe/recipe.yaml").stat().st_mode
    done = updates(forge, "--apply", "thing")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0] == "thing: 1.0 -> 1.1; 1 of its patches apply"
    old, new = (
        hashlib.sha256((server.folder / f"src/thing-{v}.tar.gz").read_bytes()).hexdigest() for v in ("1.0", "1.1")
    )
    expected = before.replace('"1.0"', '"1.1"').replace("number: 3", "number: 0").replace(old, new)
    assert recipe(forge) == expected
    assert (forge.root / "pkgs/thing/recipe/recipe.yaml").stat().st_mode == mode
    made = make(forge, "thing")
    assert made.artifacts[0].filename.startswith("thing-1.1-")
    again = updates(forge, "--apply", "thing")
    assert (again.exit_code, again.stdout) == (0, f"thing: 1.1 is the newest ({server.url}/src/); nothing was done\n")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("patch", "the new source cannot be used: patch fix.patch does not apply: "),
        ("gone", "its new source cannot be had: "),
        ("version", "the version 1.0 is not written out in context.version or package.version"),
        ("hash", "its sources do not follow its version and hashes"),
        ("number", "thing would be 1.1 with build number 5, not 1.1 with 0"),
    ],
)
def test_what_fails_leaves_the_recipe_as_it_was(
    forge: SmallForge, server: ReleaseServer, spoil: str, words: str
) -> None:
    if spoil == "patch":
        archive(server, "1.1", "other\nlines\n")
    elif spoil == "gone":
        (server.folder / "src" / "thing-1.1.tar.gz").unlink()
        (server.folder / "src" / "index.html").write_text("<a href='thing-1.1.tar.gz'>x</a>", encoding="utf-8")
    elif spoil == "version":
        forge.edit("thing", 'version: "1.0"', "major: 1\n  version: ${{ major }}.0")
    elif spoil == "hash":
        (found,) = [line.split()[1] for line in recipe(forge).splitlines() if "sha256" in line]
        forge.edit("thing", f"sha256: {found}", f"sha256: ${{{{ '{found[:32]}' ~ '{found[32:]}' }}}}")
    else:
        forge.edit("thing", "number: 3", "number: ${{ 5 }}")
    before = recipe(forge)
    done = updates(forge, "--apply", "thing")
    assert done.exit_code == 2, done.output
    assert words in str(done.exception)
    assert "\n" not in str(done.exception)
    assert str(forge.root / "pkgs/thing/recipe/recipe.yaml") in str(done.exception)
    assert recipe(forge) == before
    assert not [*(forge.root / "output" / "work").glob("update-*")]


def test_a_package_that_is_not_there_or_not_followed_is_not_moved(forge: SmallForge) -> None:
    forge.package("plain")
    assert updates(forge, "--apply", "nothing").exit_code == 2
    done = updates(forge, "--apply", "plain")
    assert (done.exit_code, done.stdout) == (0, "plain: 1.0 is not followed; nothing was done\n")
    assert updates(forge, "thing", "--apply", "thing").exit_code == 2


def test_a_git_source_is_moved_by_its_tag_or_its_commit(small_forge: SmallForge, tmp_path: Path) -> None:
    repository = GitRepository(tmp_path / "source")
    first = repository.commit(**{"hello.txt": "first\nsecond\n"})
    repository.git("tag", "v1.0")
    second = repository.commit(**{"hello.txt": "first\nsecond\nthird\n"})
    repository.git("tag", "--annotate", "--message", "x", "v1.1")
    for name, pin in (("tagged", "tag: v${{ version }}"), ("pinned", "rev: ${{ commit }}")):
        path = small_forge.recipe(
            name,
            f"""\
            context: {{version: "1.0", commit: {first}}}
            package: {{name: {name}, version: "${{{{ version }}}}"}}
            source:
              git: {repository.url}
              {pin}
              patches: [fix.patch]
            build: {{noarch: generic, script: ["mkdir -p $PREFIX/share", "cp hello.txt $PREFIX/share/{name}"]}}
            about: {{license: MIT}}
            """,
        )
        path.with_name("fix.patch").write_text(PATCH, encoding="utf-8")
        done = updates(small_forge, "--apply", name)
        assert done.exit_code == 0, (done.output, done.exception)
        assert f"{name}: 1.0 -> 1.1; 1 of its patches apply" in done.stdout
        assert (second in path.read_text(encoding="utf-8")) == (name == "pinned")
        (source,) = small_forge.output(name).sources
        assert source["rev"] == ("refs/tags/v1.1" if name == "tagged" else second)


def test_a_source_of_an_index_is_moved(small_forge: SmallForge, server: ReleaseServer) -> None:
    folder = "packages/source/t/thing"
    (server.folder / folder).mkdir(parents=True)
    for version in ("1.0", "1.1"):
        archive(server, version)
        name = f"thing-{version}.tar.gz"
        (server.folder / "src" / name).rename(server.folder / folder / name)
        server.files.setdefault("thing", []).append({"filename": name, "url": "x"})
    text = RECIPE.format(url=server.url, sha256="0" * 64).replace("/src/", f"/{folder}/")
    small_forge.recipe("thing", text.replace("  patches:\n    - fix.patch\n", ""))
    done = updates(small_forge, "--apply", "thing")
    assert (done.exit_code, done.stdout.splitlines()[:1]) == (0, ["thing: 1.0 -> 1.1"]), done.output
    expected = hashlib.sha256((server.folder / folder / "thing-1.1.tar.gz").read_bytes()).hexdigest()
    assert small_forge.output("thing").sources[0]["sha256"] == expected


def test_the_hash_of_a_source_that_is_not_used_here_is_named(forge: SmallForge) -> None:
    text = recipe(forge).replace("  patches:\n    - fix.patch\n", "")
    source = text.partition("source:\n")[2].partition("\nbuild:")[0]
    here = source.replace("  url", "  - url").replace("  sha256", "    sha256")
    other = f"  - if: osx\n    then: {{url: 'https://x.org/thing-${{{{ version }}}}.zip', sha256: {'e' * 64}}}\n"
    forge.recipe("thing", text.replace(source, here + other))
    done = updates(forge, "--apply", "thing")
    assert done.exit_code == 0, (done.output, done.exception)
    assert "the hash eeeeeeeeeeee... is of a source that this forge does not use; look at it" in done.stderr
    assert "e" * 64 in recipe(forge)


def test_status_explain_and_report_show_a_new_release(forge: SmallForge) -> None:
    forge.package("plain")
    assert "new release" not in run(forge, "status").stdout
    updates(forge)
    header, _, row = run(forge, "status").stdout.splitlines()[:3]
    assert (header.rstrip().endswith("new release"), row.split()[-1]) == (True, "1.1")
    found = {row["package"]: row["new_release"] for row in json.loads(run(forge, "status", "--json").stdout)}
    assert found == {"thing": "1.1", "plain": None}
    assert "| thing (new release 1.1) |" in run(forge, "status", "--markdown").stdout
    assert "  new release: 1.1" in run(forge, "explain", "thing").stdout.splitlines()
    assert "new release" not in run(forge, "explain", "plain").stdout
    told = {
        package["name"]: package["new_release"]
        for package in json.loads(run(forge, "report", "--json").stdout)["packages"]
    }
    assert told == found


def test_the_sensor_starts_the_job_once_in_some_hours_and_the_job_records_what_it_finds(forge: SmallForge) -> None:
    forge.configure(channels=[], variants=[], updates=7)
    opened = forge.open()
    repository = forge_definitions(opened).get_repository_def()
    sensor, job = repository.get_sensor_def("new_releases"), repository.get_job("updates")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    with open_quiet_instance(opened) as instance:

        def tick() -> str | None:
            found = sensor(dg.build_sensor_context(instance=instance))
            return found.skip_message if isinstance(found, dg.SkipReason) else None

        assert tick() is None
        waiting = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        assert tick() == "is being asked now"
        instance.delete_run(waiting.run_id)
        assert job.execute_in_process(instance=instance).success
        (record,) = instance.fetch_observations(package_key("thing"), limit=5).records
        assert record.asset_observation
        shown = {key: value.value for key, value in record.asset_observation.metadata.items()}
        assert (shown["new release"], shown["recipe has"]) == ("1.1", "1.0")
        assert (tick() or "").startswith("asked at ")
        kept = forge.root / "output" / "cache" / "releases.json"
        kept.write_text(re.sub(r'"asked": "\d+', '"asked": "2020', kept.read_text(encoding="utf-8")), encoding="utf-8")
        assert tick() is None
        kept.write_text("[", encoding="utf-8")
        assert tick() is None


def test_the_sensor_is_off_unless_forge_yaml_says_how_often(forge: SmallForge) -> None:
    sensor = forge_definitions(forge.open()).get_repository_def().get_sensor_def("new_releases")
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED


def test_the_states_know_nothing_of_releases(forge: SmallForge) -> None:
    before = forge.status("thing")
    updates(forge)
    assert forge.status("thing") == before
    assert before.id == VariantId("thing", "")
