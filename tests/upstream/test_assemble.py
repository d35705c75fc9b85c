"""Assembling a channel of tiny real packages."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from upstream.registry import Registry
from upstream.test_interpreters import program, saying
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.upstream.assemble import assemble
from wvforge_dagster.upstream.own_files import LIST_NAME
from wvforge_dagster.upstream.report import MissingPackage, UpstreamEvent, UpstreamReport

pytest.importorskip("whl2conda", reason="whl2conda is not installed (extra 'embedded')")


@dataclass
class Place:
    """Where one test assembles, and what it asks for."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def channel(self) -> Path:
        return self.folder / "channel"

    def write(self) -> Path:
        path = self.folder / "upstream.yaml"
        path.write_text(yaml.safe_dump(self.manifest))
        return path

    def assemble(self, events: list[UpstreamEvent] | None = None) -> UpstreamReport:
        told = [] if events is None else events
        return assemble(self.write(), self.channel, self.folder / "sources", self.folder / "work", told.append)

    def repodata(self) -> set[str]:
        return {
            name
            for subdir in ("linux-64", "linux-aarch64", "noarch")
            if (self.channel / subdir / "repodata.json").is_file()
            for name in json.loads((self.channel / subdir / "repodata.json").read_text())["packages.conda"]
        }

    def times(self) -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in self.folder.rglob("*") if path.is_file()}


@pytest.fixture
def place(registry: Registry, tmp_path: Path) -> Place:
    """A manifest of two packages, one of them from a wheel."""
    tool = registry.wheel("tool", "2.0", {"tool/bin/tool": "#!/bin/sh\necho tool\n"})
    trees = [
        {"name": "tool", "version": "2.0", "wheels": [{"pip": "tool==2.0", "sha256": tool}], "run": ["meta"]}
        | {"layout": {"tool/": ""}},
        {"name": "meta", "version": "1", "noarch": True},
    ]
    folder = tmp_path / "a folder"
    folder.mkdir()
    return Place(folder, {"trees": trees})


def test_what_the_manifest_lists_is_made_and_can_be_solved(place: Place, registry: Registry) -> None:
    import rattler

    pure = registry.wheel("pure_one", "1.0", {"pure_one.py": "VALUE = 1\n"})
    place.manifest["wheels"] = [{"pip": "pure-one==1.0", "sha256": pure, "add": ["tool"]}]
    place.manifest["sources"] = [{"pip": "src==3.0", "sha256": registry.source("src", "3.0", {"pyproject.toml": ""})}]
    report = place.assemble()
    assert report.made == ("meta-1-0.conda", "pure-one-1.0-py_0.conda", "src-3.0.tar.gz", "tool-2.0-0.conda")
    assert report.kept == report.missing == ()
    assert place.repodata() == {"meta-1-0.conda", "pure-one-1.0-py_0.conda", "tool-2.0-0.conda"}
    assert (place.folder / "sources" / "src-3.0.tar.gz").is_file()

    channel = rattler.Channel(place.channel.as_uri())
    solved = asyncio.run(rattler.solve([channel], ["pure-one"], platforms=["linux-64", "noarch"]))
    assert {record.name.normalized for record in solved} == {"meta", "pure-one", "tool"}


def test_a_second_call_does_nothing(place: Place) -> None:
    first = place.assemble()
    before = place.times()
    events: list[UpstreamEvent] = []
    report = place.assemble(events)
    assert report.made == ()
    assert report.kept == first.made
    assert {event.kind for event in events} == {"kept"}
    assert [event.done for event in events] == [1, 2]
    changed = {Path(path).name for path, time in place.times().items() if before.get(path) != time}
    assert changed <= {"lock", "missing.json", "upstream.yaml"}


def test_only_a_changed_entry_is_made_anew_and_its_digest_is_in_the_index(place: Place) -> None:
    place.assemble()
    place.manifest["trees"][1]["run"] = ["tool"]
    report = place.assemble()
    assert report.made == ("meta-1-0.conda",)
    repodata = json.loads((place.channel / "noarch" / "repodata.json").read_text())
    assert repodata["packages.conda"]["meta-1-0.conda"]["depends"] == ["tool"]


def test_what_the_manifest_no_longer_lists_leaves_channel_and_index(place: Place) -> None:
    place.assemble()
    del place.manifest["trees"][1]
    assert place.assemble().made == ()
    assert place.repodata() == {"tool-2.0-0.conda"}
    assert not (place.channel / "noarch" / "meta-1-0.conda").exists()


def test_a_package_that_was_deleted_is_made_again(place: Place) -> None:
    place.assemble()
    (place.channel / "noarch" / "meta-1-0.conda").unlink()
    assert place.assemble().made == ("meta-1-0.conda",)


def add_foreign(place: Place, name: str = "foreign-1-0.conda") -> Path:
    """A package in the channel that somebody else put there."""
    other = Place(place.folder / "elsewhere", {"trees": [{"name": "foreign", "version": "1", "noarch": True}]})
    other.folder.mkdir()
    other.assemble()
    there = place.channel / "noarch" / name
    there.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(other.channel / "noarch" / "foreign-1-0.conda", there))


def test_packages_that_it_did_not_make_are_left_alone_and_indexed(place: Place) -> None:
    place.assemble()
    foreign = add_foreign(place)
    unfinished = place.channel / "noarch" / ".another-1-0.conda.tmp"
    unfinished.write_text("half")
    del place.manifest["trees"][1]
    events: list[UpstreamEvent] = []
    place.assemble(events)
    assert [event.name for event in events if event.kind == "removed"] == ["meta-1-0.conda"]
    assert foreign.exists()
    assert unfinished.exists()
    assert place.repodata() == {"foreign-1-0.conda", "tool-2.0-0.conda"}


def test_a_file_of_another_that_is_no_package_is_named(place: Place) -> None:
    place.assemble()
    foreign = place.channel / "noarch" / "foreign-1-0.conda"
    foreign.write_text("half a download")
    with pytest.raises(ForgeError, match=r"noarch/foreign-1-0\.conda: is no package that can be read; remove it"):
        place.assemble()
    assert foreign.exists()


def test_a_package_of_another_under_a_name_that_the_manifest_asks_for_is_not_replaced(place: Place) -> None:
    meta = place.manifest["trees"].pop()
    place.assemble()
    foreign = add_foreign(place, "meta-1-0.conda")
    content = foreign.read_bytes()
    place.manifest["trees"].append(meta)
    with pytest.raises(ForgeError, match=r"noarch/meta-1-0\.conda: is in the way: .*; remove it"):
        place.assemble()
    assert foreign.read_bytes() == content


def test_a_folder_with_packages_of_others_is_refused_and_not_changed(place: Place) -> None:
    add_foreign(place)
    before = place.times()
    with pytest.raises(ForgeError, match=r"channel: holds packages that this forge did not make.*; let the \{file"):
        place.assemble()
    changed = {path for path, time in place.times().items() if before.get(path) != time}
    assert not [path for path in changed if path.startswith(str(place.channel))]


def test_a_folder_of_another_forge_is_refused_though_the_names_are_the_same(place: Place) -> None:
    place.assemble()
    other = Place(place.folder / "other forge", place.manifest)
    other.folder.mkdir()
    other.assemble()
    shutil.rmtree(other.channel)
    other.channel.symlink_to(place.channel)
    before = place.times()
    del other.manifest["trees"][1]
    with pytest.raises(ForgeError, match="holds packages that this forge did not make"):
        other.assemble()
    changed = {path for path, time in place.times().items() if before.get(path) != time}
    assert not [path for path in changed if path.startswith(str(place.channel))]


def test_a_package_that_comes_to_another_place_of_the_channel_leaves_the_old_one(place: Place) -> None:
    place.assemble()
    place.manifest["trees"][1]["noarch"] = False
    assert place.assemble().made == ("meta-1-0.conda",)
    assert [path.parent.name == "noarch" for path in place.channel.glob("*/meta-1-0.conda")] == [False]


@pytest.mark.parametrize("moved", [False, True], ids=["of a version without lists", "moved"])
def test_a_channel_of_before_goes_on(place: Place, moved: bool) -> None:
    first = place.assemble()
    if moved:
        place.folder = place.folder.rename(place.folder.with_name("moved"))
    else:
        (place.channel / LIST_NAME).unlink()
        (place.folder / "work" / "mark").unlink()
    assert place.assemble().kept == first.made
    del place.manifest["trees"][1]
    place.assemble()
    assert place.repodata() == {"tool-2.0-0.conda"}
    assert not (place.channel / "noarch" / "meta-1-0.conda").exists()


def test_without_any_of_the_interpreters_it_is_refused_before_anything_is_fetched_or_made(place: Place) -> None:
    place.manifest["interpreters"] = ["3.98", "3.99"]
    with pytest.raises(ForgeError) as refused:
        place.assemble()
    assert str(refused.value) == (
        f"{place.folder}/upstream.yaml: interpreters: no Python 3.98 on this machine (looked on the path, in pyenv and uv); "
        "no Python 3.99 on this machine (looked on the path, in pyenv and uv); "
        "install one of them with its C headers: with pyenv or uv, or as the system's package"
    )
    assert not list(place.folder.rglob("*.conda")) + list(place.folder.rglob("*.whl"))


def test_what_this_machine_cannot_give_is_missing_with_the_reason_and_the_rest_is_made(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One that is found, and cannot be copied: not all are missing.
    python = place.folder / "python"
    program(python / "bin", saying(python, version="3.98.1", executable="/bin/false"), "python3.98")
    (python / "lib/python3.99").mkdir(parents=True)
    (python / "lib/python3.99/site.py").touch()
    monkeypatch.setenv("PATH", f"{python / 'bin'}{os.pathsep}{os.environ['PATH']}")
    place.manifest["interpreters"] = ["3.98", "3.99"]
    place.manifest["trees"].append(
        {"name": "other", "version": "1", "layout": {"x/": ""}}
        | {"wheels": [{"pip": "other==1", "sha256": {"other-1-py3-none-win_amd64.whl": "0" * 64}}]}
    )
    report = place.assemble()
    missing = [(one.name, one.spec) for one in report.missing]
    assert missing == [("other", "==1"), ("python", "3.98.*"), ("python", "3.99.*")]
    assert "does not run when it is copied" in report.missing[1].reason
    assert "no Python 3.99 on this machine" in report.missing[2].reason
    assert "tool-2.0-0.conda" in report.made
    written = json.loads((place.channel / "missing.json").read_text())
    assert tuple(MissingPackage(**one) for one in written) == report.missing
    assert place.assemble().missing == report.missing


def test_a_failure_names_the_file_and_what_was_made_stays(place: Place) -> None:
    place.manifest["sources"] = [{"pip": "src==3.0", "sha256": {"src-3.0.tar.gz": "0" * 64}}]
    with pytest.raises(ForgeError, match=r"src-3\.0\.tar\.gz: pip could not fetch src==3\.0"):
        place.assemble()
    del place.manifest["sources"]
    assert place.assemble().made == ()


RUN = """
import sys
from pathlib import Path
from wvforge_dagster.upstream.assemble import assemble
folder = Path(sys.argv[1])
def tell(event):
    print(event.kind, event.name, flush=True)
assemble(folder / "upstream.yaml", folder / "channel", folder / "sources", folder / "work", tell)
"""


def start(place: Place) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", RUN, str(place.folder)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_a_killed_assembly_goes_on_where_it_was(place: Place) -> None:
    place.manifest["trees"] += [{"name": f"meta{n}", "version": "1", "noarch": True} for n in range(4)]
    place.write()
    process = start(place)
    assert process.stdout is not None
    finished = []
    for line in process.stdout:
        if line.startswith("made "):
            finished.append(line.split()[1])
        if len(finished) == 2:
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    report = place.assemble()
    assert set(finished) <= set(report.kept)
    assert report.made
    assert len(place.repodata()) == 6
    assert not list((place.folder / "work").glob("making-*"))


def test_two_at_once_make_everything_once(place: Place) -> None:
    place.write()
    both = [start(place), start(place)]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    made = [line for text in said for line in text.splitlines() if line.startswith("made ")]
    assert len(made) == len(set(made)) == 2
    assert any("waiting" in text for text in said)
