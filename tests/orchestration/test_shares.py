"""What builds that run side by side are told of the machine, and what is remembered of them."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from threading import Thread

import pytest
from build.places import wait_until
from small_forge import SmallForge

from orchestration.making import make, make_elsewhere, quiet, why_not_made
from orchestration.test_command import run
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.history import Measure
from wvforge_dagster.cores import cores_of_machine
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.history import keep_measure, read_history
from wvforge_dagster.orchestration.plan import Plan
from wvforge_dagster.orchestration.queue import Queue
from wvforge_dagster.orchestration.rebuild_check import rebuild_check
from wvforge_dagster.orchestration.shares import share_of_machine
from wvforge_dagster.settings import set_cores_of_share

SCRIPT = """
echo "cores: $CPU_COUNT $CMAKE_BUILD_PARALLEL_LEVEL $MAX_JOBS"
mkdir -p $PREFIX/share; date +%N > $PREFIX/share/{name}
"""


def shares(forge: SmallForge) -> dict[str, tuple[float, float, int]]:
    """For each package that was built: from when to when its log was written, and the cores that its script was told."""
    found = {}
    for log in forge.root.glob("output/logs/*/*/*.log"):
        begin = datetime.strptime(log.stem, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC).timestamp()
        told = re.search(r"^cores: (\d+) (\d+) (\d+)$", log.read_text(), re.MULTILINE)
        assert told is not None
        (cores,) = {int(word) for word in told.groups()}
        found[log.parts[-3]] = (begin, log.stat().st_mtime, cores)
    return found


@pytest.mark.skipif(cores_of_machine() < 2, reason="one core cannot be shared")
def test_builds_side_by_side_are_never_told_of_more_cores_than_there_are(small_forge: SmallForge) -> None:
    small_forge.configure(
        channels=[], variants=[], classes={"heavy": {"packages": ["h*"]}, "slow": {"from_minutes": 0.001}}
    )
    for name in ("a", "b", "c", "h1", "h2"):
        small_forge.package(name, SCRIPT.format(name=name))
    done = run(small_forge, "build", "--jobs", "4", "--no-publish")
    assert done.returncode == 0, done.stderr
    found = shares(small_forge)
    for begin, _, _ in found.values():
        at_once = [(name, cores) for name, (start, end, cores) in found.items() if start <= begin < end]
        assert sum(cores for _, cores in at_once) <= cores_of_machine(), at_once
    assert found["h1"][2] == found["h2"][2] == cores_of_machine()
    lights = sorted(found[name] for name in "abc")
    assert any(two[0] < one[1] for one, two in pairwise(lights)), "nothing ran side by side"
    # What they took is remembered, and shown as the reason of a class.
    past = small_forge.open().history
    assert {str(identity) for identity in past} == set(found)
    assert all(build.seconds > 0 and build.most_memory > 10 << 20 for build in past.values())
    shown = run(small_forge, "explain", "a").stdout
    assert re.search(r"^  class: slow \(a build took \d\S* min; classes\.slow\.from_minutes is 0\.001\)$", shown, re.M)
    assert re.search(r"^  last build: \d+ s, \d+ MiB of memory$", shown, re.M)
    table = run(small_forge, "status").stdout
    assert "heavy (classes.heavy.packages has h*)" in table


def waited(words: str) -> None:
    raise AssertionError(f"it {words}")


def test_who_waits_says_for_what(small_forge: SmallForge) -> None:
    small_forge.configure(channels=[], variants=[], classes={"heavy": {"packages": ["h"]}})
    for name in "ah":
        small_forge.package(name)
    forge, said = small_forge.open(), list[str]()
    with share_of_machine(forge, "h", waited):
        threads = [Thread(target=hold_for_a_moment, args=(forge, name, said)) for name in "ha"]
        for thread in threads:
            thread.start()
        assert wait_until(lambda: len(said) == 2)
    for thread in threads:
        thread.join(30)
    machine = cores_of_machine()
    # The one that waited for its class may wait for the other's cores then.
    assert sorted(said[:2]) == [
        f"a: waits until {machine} of {machine} cores are free of other builds",
        "h: waits until fewer than 1 others of the class heavy are being built",
    ]


def hold_for_a_moment(forge: ForgeOnDisk, name: str, said: list[str]) -> None:
    with share_of_machine(forge, name, lambda words: said.append(f"{name}: {words}")):
        pass


def test_builds_of_other_processes_wait_for_their_share(small_forge: SmallForge) -> None:
    small_forge.configure(channels=[], variants=[], classes={"heavy": {"packages": ["h"]}})
    small_forge.package("a")
    small_forge.package("h")
    with share_of_machine(small_forge.open(), "a", waited):
        other = make_elsewhere(small_forge, "h")
        wait_until((small_forge.root / "output/locks/shares/classes/heavy/0").exists)
        time.sleep(0.5)
        assert other.poll() is None
        assert not [*small_forge.root.glob("output/logs/h/*/*.log")]
    assert other.communicate(timeout=60)[0] == "ran\n"


HOLD = """
import sys; from pathlib import Path
sys.path.insert(0, sys.argv[1])
from small_forge import SmallForge
from wvforge_dagster.orchestration.shares import share_of_machine
forge = SmallForge.__new__(SmallForge); forge.root = Path(sys.argv[2])
with share_of_machine(forge.open(), "a", print):
    print("held", flush=True); sys.stdin.read()
"""


def test_who_is_killed_gives_its_share_back(small_forge: SmallForge) -> None:
    small_forge.package("a")
    arguments = [str(Path(__file__).parents[1]), str(small_forge.root)]
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.wait()
    with share_of_machine(small_forge.open(), "a", waited):
        pass


def test_a_share_is_what_was_planned_and_never_more_than_there_is(
    small_forge: SmallForge, monkeypatch: pytest.MonkeyPatch
) -> None:
    classes = {"heavy": {"packages": ["h"]}, "wide": {"packages": ["w"], "cores": 1000}}
    small_forge.configure(channels=[], variants=[], classes=classes)
    for name in "ahw":
        small_forge.package(name)
    forge, machine = small_forge.open(), cores_of_machine()
    assert [forge.build_limits(name).cores for name in "ahw"] == [machine] * 3
    monkeypatch.setenv("WVFORGE_JOBS", "1000")
    assert [forge.build_limits(name).cores for name in "ahw"] == [1, machine, machine]
    monkeypatch.setenv("WVFORGE_CORES", "0")
    set_cores_of_share(1)
    assert [forge.test_limits(name).cores for name in "ahw"] == [1, 1, 1]


def test_a_recipe_of_an_unknown_class_fails_alone(small_forge: SmallForge) -> None:
    small_forge.package("a", more="extra: {wvforge: {class: enormous}}\n")
    small_forge.package("b", more="extra: {wvforge: {class: heavy}}\n")
    assert "extra.wvforge.class: 'enormous' is no class; take one of light, heavy, gpu" in str(
        why_not_made(small_forge, "a")
    )
    make(small_forge, "b")
    assert small_forge.states() == {"a": "failed", "b": "staged"}
    assert str(small_forge.open().class_of("b")) == "heavy (its recipe says so)"


def test_a_class_enters_no_digest(small_forge: SmallForge) -> None:
    small_forge.package("a")
    make(small_forge, "a")
    small_forge.package("a", more="extra: {wvforge: {class: heavy}}\n")
    assert small_forge.status("a").state.value == "staged"


def test_the_past_survives_torn_lines_and_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = VariantId("a", "13.0|3.12"), VariantId("b")
    keep_measure(tmp_path, b, Measure(2.0, 7))
    with (tmp_path / "history.jsonl").open("a") as stream:
        stream.write('{"package": "b"\n[]\n{"package": "b", "partition": "", "seconds": "x", "memory": 1}\n\xff\n')
    monkeypatch.setattr("wvforge_dagster.orchestration.history._LONGEST", 100)
    sizes = [0]
    for number in range(50):
        keep_measure(tmp_path, a, Measure(float(number), number))
        sizes.append((tmp_path / "history.jsonl").stat().st_size)
    found = read_history(tmp_path)
    assert (found[a].seconds, found[a].most_memory, found[b].builds) == (49, 49, (Measure(2.0, 7),))
    assert max(sizes) < 1200
    assert 2 < sum(new < old for old, new in pairwise(sizes)) < 15, "it is written anew for nearly every build"
    (tmp_path / "history.jsonl").unlink()
    assert read_history(tmp_path) == {}


def plan(forge: ForgeOnDisk) -> Plan:
    variants = forge.catalog.variants
    waits = {name: frozenset(variants[name].builds_against) for name in variants}
    return Plan(waits, dict.fromkeys(variants, "missing"), frozenset(), tuple(variants))


def test_what_has_the_longest_chain_before_it_starts_first(small_forge: SmallForge) -> None:
    """d and then e is more steps than z, until z is known to take longer than both."""
    small_forge.package("d")
    small_forge.package("e", host=("d",))
    for name in "xyz":
        small_forge.package(name)
    forge = small_forge.open()
    ready = [VariantId(name) for name in "dxyz"]
    first = [str(name) for name, _ in Queue.of(forge, plan(forge), 1).start(ready)]
    assert first == ["d"]
    for name, seconds in (("d", 5.0), ("e", 5.0), ("x", 1.0), ("z", 11.0)):
        keep_measure(forge.output, VariantId(name), Measure(seconds))
    forge = small_forge.open()
    queue = Queue.of(forge, plan(forge), 1)
    order = []
    while ready:
        ((name, _),) = queue.start(ready)
        ready.remove(name)
        queue.end(name)
        order.append(str(name))
    assert order == ["z", "d", "y", "x"]


def test_a_rebuild_check_takes_its_share_and_is_no_past(small_forge: SmallForge) -> None:
    small_forge.configure(channels=[], variants=[], classes={"heavy": {"packages": ["a"]}})
    small_forge.package("a")
    make(small_forge, "a")
    forge = small_forge.open()
    rebuild_check(forge, VariantId("a"), quiet)
    assert len(read_history(forge.output)[VariantId("a")].builds) == 1
