"""Two machines with one staging channel, in a folder or in a bucket: same recipes, output folders of their own."""

from __future__ import annotations

import json
import shutil
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from build.places import wait_until
from servers.moto_server import MotoServer
from small_forge import SmallForge

from orchestration.making import make, make_and_publish, make_elsewhere, publish, published, staged, why_not_made
from orchestration.test_command import fault, run
from wvforge_dagster.channels import lease
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.channels.folder_objects import FolderObjects
from wvforge_dagster.orchestration.removed import remember_removed, removed_filenames
from wvforge_dagster.orchestration.shared_staging import pull

SOON = "from wvforge_dagster.channels import lease; lease.VALID_S = 3.0; lease.RENEW_S = 0.5; lease.PAUSE_S = 0.2"
"""For the other process: a machine that is silent for three seconds is taken for dead."""

KILLED_BEFORE_THE_INDEX = (
    SOON
    + """
import os, signal
from wvforge_dagster.channels import folder, s3
die = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
s3.S3Channel._index_until_listed = die
real = folder.FolderChannel._index_unlisted
folder.FolderChannel._index_unlisted = lambda self: die() if list(self.path.glob("*/*.conda")) else real(self)
"""
)
"""For a machine that dies between putting a package and listing it."""

Machine = Callable[[str], SmallForge]


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server


@pytest.fixture(params=["file", "s3"])
def staging(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The key ``staging`` of forge.yaml."""
    if request.param == "file":
        return {"file": str(tmp_path / "shared")}
    moto = request.getfixturevalue("moto")
    import boto3

    keys = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    bucket = f"staging-{uuid.uuid4().hex[:12]}"
    boto3.client("s3", endpoint_url=moto.url).create_bucket(Bucket=bucket)
    return {"s3": f"{bucket}/farm", "endpoint-url": moto.url, "force-path-style": True}


@pytest.fixture
def machine(tmp_path: Path, staging: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Makes a machine of a name; all have the recipes of the first, and publish to one folder."""
    monkeypatch.setattr(lease, "PAUSE_S", 0.2)
    made: list[SmallForge] = []

    def of(name: str) -> SmallForge:
        forge = SmallForge(tmp_path / name)
        forge.configure(channels=[], variants=[], staging=staging, publish=[{"file": str(tmp_path / "target")}])
        if made:
            shutil.copytree(made[0].root / "pkgs", forge.root / "pkgs")
        made.append(forge)
        return forge

    return of


def two_machines(machine: Machine, *packages: tuple[str, str | None]) -> tuple[SmallForge, SmallForge]:
    one = machine("one")
    for name, script in packages:
        one.package(name, script)
    return one, machine("two")


def test_what_one_machine_built_another_builds_against_and_does_not_build_again(machine: Machine) -> None:
    one = machine("one")
    one.package("a")
    one.package("b", "mkdir -p $PREFIX/share; cp $PREFIX/share/a.txt $PREFIX/share/b", host=("a",))
    two = machine("two")
    assert make(one, "a").ran
    assert two.states() == {"a": "staged", "b": "missing"}
    assert not make(two, "a").ran
    assert make(two, "b").ran
    assert one.states() == {"a": "staged", "b": "staged"}
    assert staged(one) == staged(two)
    assert (
        FolderChannel(one.root / "output" / "staging").entries() != FolderChannel(two.root / "output/staging").entries()
    )


def test_another_machine_publishes_it_without_testing_it_again(machine: Machine) -> None:
    one = machine("one")
    one.package("a", test="test -f $PREFIX/share/a.txt")
    two = machine("two")
    make(one, "a")
    publish(two, "a")
    assert published(one) == staged(one)
    assert one.states() == two.states() == {"a": "published"}
    assert not (two.root / "output" / "logs").exists()


def test_a_failure_is_known_on_all_machines_until_it_was_built(machine: Machine) -> None:
    one, two = two_machines(machine, ("a", "test -e /tmp/never; exit 3"))
    why_not_made(one, "a")
    assert two.states() == one.states() == {"a": "failed"}
    for forge in (one, two):
        forge.package("a")
    assert two.states() == {"a": "missing"}
    make(two, "a")
    assert one.states() == {"a": "staged"}
    pull(one.open())
    assert not list((one.root / "output" / "failures").rglob("*.json"))


def test_two_machines_that_are_asked_for_one_package_at_once_build_it_once(machine: Machine, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    one, two = two_machines(machine, ("a", "sleep 2; mkdir -p $PREFIX/share; touch $PREFIX/share/a"))
    for forge in (one, two):
        forge.configure(**{**configuration(forge), "isolation": "off"})
        forge.package("a", f"echo x >> {begun}; sleep 2; mkdir -p $PREFIX/share; touch $PREFIX/share/a")
    both = [make_elsewhere(forge, "a") for forge in (one, two)]
    wait_until(lambda: two.states() == {"a": "building"} or begun.exists())
    said = sorted(process.communicate(timeout=120)[0].strip() for process in both)
    assert said == ["ran", "up to date"]
    assert begun.read_text() == "x\n"


def test_what_a_machine_that_was_killed_was_building_another_takes_up(machine: Machine, tmp_path: Path) -> None:
    one, two = two_machines(machine, ("a", None))
    begun = tmp_path / "begun"
    for forge in (one, two):
        forge.configure(**{**configuration(forge), "isolation": "off"})
        forge.package(
            "a", f"test -e {begun} || {{ touch {begun}; sleep 600; }}; mkdir -p $PREFIX/share; touch $PREFIX/share/a"
        )
    killed = make_elsewhere(one, "a", prelude=SOON)
    wait_until(begun.exists)
    assert two.states() == {"a": "building"}
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    other = make_elsewhere(two, "a", prelude=SOON)
    assert other.communicate(timeout=120)[0].strip() == "ran"
    assert one.states() == two.states() == {"a": "staged"}


def test_a_machine_that_was_cut_off_for_long_stages_nothing_over_the_one_that_took_its_build_over(
    machine: Machine, tmp_path: Path
) -> None:
    one, two = two_machines(machine, ("a", None))
    begun, go_on = tmp_path / "begun", tmp_path / "go-on"
    for forge in (one, two):
        forge.configure(**{**configuration(forge), "isolation": "off"})
        forge.package(
            "a",
            f"test -e {begun} || {{ touch {begun}; while ! test -e {go_on}; do sleep 0.1; done; }}\n"
            "mkdir -p $PREFIX/share; date +%N > $PREFIX/share/a",
        )
    cut_off = make_elsewhere(one, "a", prelude=SOON)
    wait_until(begun.exists)
    cut_off.send_signal(signal.SIGSTOP)
    time.sleep(4)
    other = make_elsewhere(two, "a", prelude=SOON)
    assert other.communicate(timeout=120)[0].strip() == "ran"
    before = two.open().staging.entries()
    cut_off.send_signal(signal.SIGCONT)
    go_on.touch()
    cut_off.communicate(timeout=120)
    assert cut_off.returncode != 0
    assert two.open().staging.entries() == before
    assert one.states()["a"] == two.states()["a"] == "staged"
    make_and_publish(one, "a")
    assert published(two) == [entry.filename for entry in before]


def test_a_build_takes_a_number_that_no_machine_has_used(machine: Machine) -> None:
    one, two = two_machines(machine, ("a", None))
    make(one, "a")
    for forge in (one, two):
        forge.package("a", "mkdir -p $PREFIX/share; echo other > $PREFIX/share/a")
    make(two, "a")
    assert [name.rsplit("_", 1)[1] for name in staged(one)] == ["0.conda", "1.conda"]


def test_what_builds_took_is_known_on_all_machines(machine: Machine) -> None:
    one, two = two_machines(machine, ("a", None))
    make(one, "a")
    pull(two.open())
    (past,) = two.open().history.values()
    assert past.longest > 0


def test_what_a_machine_put_and_did_not_list_before_it_was_killed_is_listed_and_not_built_again(
    machine: Machine,
) -> None:
    one, two = two_machines(machine, ("a", None))
    killed = make_elsewhere(one, "a", prelude=KILLED_BEFORE_THE_INDEX)
    killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert staged(two) == []
    other = make_elsewhere(two, "a", prelude=SOON)
    assert other.communicate(timeout=120)[0].strip() == "up to date"
    assert len(staged(two)) == 1


def test_names_of_pruned_packages_are_never_forgotten_by_a_machine_that_joins(machine: Machine) -> None:
    one, two = two_machines(machine, ("a", None))
    remember_removed(one.open(), ["one-1-0.conda"])
    own = two.root / "output" / "removed.json"
    own.parent.mkdir(parents=True)
    own.write_text(json.dumps(["two-1-0.conda"]))
    pull(two.open())
    assert removed_filenames(two.open()) == {"one-1-0.conda", "two-1-0.conda"}
    remember_removed(two.open(), [f"{number:060d}-1-0.conda" for number in range(20000)])
    pull(one.open())
    assert len(removed_filenames(one.open())) == 20002


@pytest.mark.parametrize(
    "name",
    ["failures", "failures%2Fa%00b", "failures%2Fa%2Fall.json%2Fx", "removed.json%2Fx", "..%2F..%2Fup", "measures"],
)
@pytest.mark.parametrize("content", [b"{}", b"[" * 200_000, b"\xff"])
def test_objects_that_are_none_of_ours_or_broken_change_nothing(
    small_forge: SmallForge, name: str, content: bytes
) -> None:
    shared = small_forge.root.parent / "shared"
    small_forge.configure(channels=[], variants=[], staging={"file": str(shared)}, publish=[])
    small_forge.package("a")
    objects = FolderObjects(shared, label="shared")
    shared.mkdir()
    for odd in (name, "failures%2Fa%2Fall.json", "measures%2Fa%2Fall.json"):
        objects.put(f".wvforge/books/{odd}", content, instead_of=None)
    assert small_forge.states() == {"a": "missing"}
    assert not (small_forge.root.parent / "up").exists()
    why = small_forge.root / "output" / "failures"
    assert not why.is_file()


def test_a_staging_channel_that_cannot_be_reached_is_one_line(machine: Machine, staging: dict[str, Any]) -> None:
    one = machine("one")
    one.package("a")
    if "file" in staging:
        Path(staging["file"]).write_text("no folder")
    else:
        one.configure(**{**configuration(one), "staging": {**staging, "endpoint-url": "http://127.0.0.1:9"}})
    line = fault(run(one, "status"))
    assert ("it is the folder of `staging` in forge.yaml" if "file" in staging else "tried 4 times") in line


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"prefix": "forge"}, "staging: prefix:forge cannot be shared; take {s3: ...} or {file: FOLDER}"),
        ({"nothing": "forge"}, "staging: no kind of channel: nothing"),
        ({"file": "x", "only": ["a"]}, "staging: takes the place of the channel only; remove the other keys"),
        (
            {"file": "x", "licenses": {"allow": ["MIT"]}},
            "staging: takes the place of the channel only; remove the other keys",
        ),
    ],
)
def test_what_cannot_be_shared_is_refused_with_the_key(
    small_forge: SmallForge, given: dict[str, Any], words: str
) -> None:
    small_forge.configure(channels=[], variants=[], staging=given)
    assert words in fault(run(small_forge, "status"))


def configuration(forge: SmallForge) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((forge.root / "forge.yaml").read_text())
    return found
