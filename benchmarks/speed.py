"""How much time wvforge takes beyond the engine's own, and how long the quick start takes.

    python benchmarks/speed.py [--packages N] [--demo] [--json FILE]

Prints a table and, with --json, writes the figures. Both sides of a comparison run in one call, on this machine. `--demo`
also clones the repository and runs `make demo` twice there: from nothing, and with nothing changed (about ten minutes).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

RECIPE = """\
package: {{name: tiny-{i}, version: "1.0"}}
build: {{noarch: generic, script: ["mkdir -p $PREFIX/share", "echo {i} > $PREFIX/share/tiny-{i}"]}}
tests: [{{script: ["test -f $PREFIX/share/tiny-{i}"]}}]
"""

PLAIN_LOOP = """\
import asyncio, sys
from pathlib import Path
import rattler_build as engine
from rattler.index import index_fs
root, out = Path(sys.argv[1]), Path(sys.argv[2])
(out / "noarch").mkdir(parents=True)
asyncio.run(index_fs(out))
for path in sorted(root.glob("pkgs/*/recipe/recipe.yaml")):
    for variant in engine.Stage0Recipe.from_file(path).render(engine.VariantConfig({}), engine.RenderConfig()):
        built = variant.run_build(output_dir=out, channels=[out.as_uri()])
        assert all(test.success for test in engine.Package.from_file(built.packages[0]).run_tests(channel=[out.as_uri()]))
    asyncio.run(index_fs(out))
"""


TICK = """\
import sys, time
from pathlib import Path
import dagster as dg
from wvforge_dagster.orchestration.forge_on_disk import open_forge
from wvforge_dagster.orchestration.sensors import changed_recipes_sensor
from wvforge_dagster.settings import read_settings
root = Path(sys.argv[1])
started = time.monotonic()
forge = open_forge(read_settings(root))
sensor = changed_recipes_sensor(forge)
print(time.monotonic() - started)
script = root / "pkgs" / "tiny-7" / "recipe" / "more.sh"
with dg.DagsterInstance.ephemeral() as instance:
    for content in (None, "one", "two", "three"):
        if content:
            script.write_text(content)
            # As after the reload that a changed file asks for: the tick that decides.
            sensor = changed_recipes_sensor(open_forge(read_settings(root)))
        started = time.monotonic()
        sensor.evaluate_tick(dg.build_sensor_context(instance=instance, sensor_name="changed_recipes"))
        print(time.monotonic() - started)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=int, default=20, help="tiny packages in the overhead measurement")
    parser.add_argument("--demo", action="store_true", help="also time `make demo` in a fresh clone")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    options = parser.parse_args()
    rows = [*overhead(options.packages), *validation(), *status_of_the_root_forge(), *tick(1000)]
    if options.demo:
        rows += demo()
    width = max(len(name) for name, _, _ in rows)
    for name, value, unit in rows:
        print(f"{name:<{width}}  {value:>8.2f} {unit}")
    if options.json:
        options.json.write_text(
            json.dumps({name: {"value": value, "unit": unit} for name, value, unit in rows}, indent=2)
        )


Row = tuple[str, float, str]


def overhead(count: int) -> list[Row]:
    """`wvforge build` of tiny packages, one job, beside a plain loop over the engine that does the same work.

    A build of one package is taken off both, so that what is left are package variants and not the start of a command.
    """
    with tempfile.TemporaryDirectory(prefix="wvforge-bench-") as folder:
        plain, ours = {}, {}
        for size in (1, count):
            forge = tiny_forge(Path(folder) / f"forge-{size}", size)
            plain[size] = seconds([sys.executable, "-c", PLAIN_LOOP, str(forge), str(Path(folder) / f"plain-{size}")])
            command = [str(BIN / "wvforge"), "--forge", str(forge), "build", "--jobs", "1"]
            ours[size] = seconds(command)
        again = statistics.median(seconds(command) for _ in range(3))
        status = statistics.median(seconds([*command[:3], "status"]) for _ in range(3))
        two = tiny_forge(Path(folder) / "two", count)
        two_jobs = seconds([str(BIN / "wvforge"), "--forge", str(two), "build", "--jobs", "2"])
    beyond = ((ours[count] - ours[1]) - (plain[count] - plain[1])) / (count - 1)
    return [
        (f"{count} tiny packages, plain loop over the engine", plain[count], "s"),
        (f"{count} tiny packages, wvforge build --jobs 1", ours[count], "s"),
        (f"{count} tiny packages, wvforge build --jobs 2", two_jobs, "s"),
        ("  one tiny package, wvforge build", ours[1], "s"),
        ("  ratio of one job to the plain loop", ours[count] / plain[count], "x"),
        ("  beyond the engine, per package variant", beyond, "s"),
        ("  the same, with the start of the command spread over them", (ours[count] - plain[count]) / count, "s"),
        ("  wvforge build again, nothing to do", again, "s"),
        ("  wvforge status", status, "s"),
    ]


def tiny_forge(forge: Path, count: int) -> Path:
    """A forge of `count` tiny packages."""
    for i in range(count):
        recipe = forge / "pkgs" / f"tiny-{i}" / "recipe" / "recipe.yaml"
        recipe.parent.mkdir(parents=True)
        recipe.write_text(RECIPE.format(i=i))
    (forge / "forge.yaml").write_text("channels: []\nvariants: []\n")
    return forge


def validation() -> list[Row]:
    """`dagster definitions validate` of the root forge beside `import dagster`."""
    environment = {**os.environ, "WVFORGE_FORGE": str(PROJECT)}
    validate, bare = [], []
    for _ in range(5):
        bare.append(seconds([sys.executable, "-c", "import dagster"]))
        validate.append(seconds([str(BIN / "dagster"), "definitions", "validate"], env=environment, cwd=PROJECT))
    return [
        ("import dagster", statistics.median(bare), "s"),
        ("dagster definitions validate, the root forge", statistics.median(validate), "s"),
        ("  longer than import dagster", statistics.median(a - b for a, b in zip(validate, bare, strict=True)), "s"),
    ]


def status_of_the_root_forge() -> list[Row]:
    """`wvforge status` of 28 package variants."""
    command = [str(BIN / "wvforge"), "--forge", str(PROJECT), "status"]
    return [("wvforge status, 28 package variants", statistics.median(seconds(command) for _ in range(5)), "s")]


def tick(count: int) -> list[Row]:
    """A tick of the sensor over `count` recipes, nothing changed and one changed."""
    with tempfile.TemporaryDirectory(prefix="wvforge-bench-") as folder:
        forge = tiny_forge(Path(folder), count)
        done = subprocess.run([sys.executable, "-c", TICK, str(forge)], capture_output=True, text=True, check=True)
        loading, first, *changed = (float(line) for line in done.stdout.split())
    return [
        (f"{count} recipes, loading them for the first time", loading, "s"),
        ("  the first tick of the sensor, everything missing", first, "s"),
        ("  a tick after one change", statistics.median(changed), "s"),
    ]


def demo() -> list[Row]:
    """`make demo` in a fresh clone, and again."""
    with tempfile.TemporaryDirectory(prefix="wvforge-demo-") as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "-q", str(PROJECT), str(clone)], check=True)
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("WVFORGE", "DAGSTER"))}
        first = seconds(["make", "demo"], cwd=clone, env=environment)
        second = seconds(["make", "demo"], cwd=clone, env=environment)
        size = sum(path.stat().st_size for path in (clone / "examples/embedded/output").rglob("*") if path.is_file())
    return [
        ("make demo, from a fresh clone", first / 60, "min"),
        ("make demo, nothing changed", second, "s"),
        ("  the embedded forge's output folder", size / 2**30, "GiB"),
    ]


def seconds(command: list[str], **options: object) -> float:
    """Wall time of a command that must succeed."""
    started = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)  # type: ignore[call-overload]
    elapsed = time.monotonic() - started
    if done.returncode:
        sys.exit(f"{shutil.which(command[0]) or command[0]} failed:\n{done.stdout[-3000:]}")
    return elapsed


if __name__ == "__main__":
    main()
