"""Forges of a thousand recipes: loading, nothing to do, one change, memory.

    python benchmarks/scale.py [--sizes 100,300,1000,3000] [--recipes 1000] [--plain 100,300] [--repeat 3] [--json FILE]

Each figure is the least of the repetitions, beside `import dagster` or the engine in the same run: wall seconds and, in
brackets, seconds of the processor, which other work on the machine changes less. `published` makes what is published.
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from forges import forge_in_columns, plain_forge
from measuring import WVFORGE, Measured, Table, finish, measure, quickest

HERE = Path(__file__).parent

RESIDENT = """
def resident():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
"""

LOAD = (
    RESIDENT
    + """
import time
import dagster
memory, started, cpu = resident(), time.monotonic(), time.process_time()
from wvforge_dagster.definitions import defs
defs.get_repository_def()
print(time.monotonic() - started, time.process_time() - cpu, resident() - memory)
"""
)

BUILD = (
    RESIDENT
    + """
import sys
import dagster
memory = resident()
from wvforge_dagster.cli import app
try:
    app(["build"])
except SystemExit as end:
    assert not end.code, end.code
print(resident() - memory)
"""
)

TICK = """
import sys, time
from pathlib import Path
import dagster as dg
from wvforge_dagster.orchestration.code_location import forge_definitions
from wvforge_dagster.orchestration.forge_on_disk import open_forge
from wvforge_dagster.orchestration.sensors import changed_recipes_sensor
from wvforge_dagster.settings import read_settings
root = Path(sys.argv[1])
more = next(iter(sorted((root / "pkgs").glob("*/recipe/recipe.yaml")))).with_name("more.sh")
with dg.DagsterInstance.ephemeral() as instance:
    for content in ("one", "two", "three"):
        more.write_text(content)
        # As after the reload that a changed file asks for: the tick that decides.
        forge = open_forge(read_settings(root))
        sensor = changed_recipes_sensor(forge)
        repository = forge_definitions(forge).get_repository_def()
        context = dg.build_sensor_context(instance=instance, repository_def=repository, sensor_name="changed_recipes")
        started, cpu = time.monotonic(), time.process_time()
        found = sensor.evaluate_tick(context)
        assert found.run_requests, found.skip_message
        print(time.monotonic() - started, time.process_time() - cpu)
more.unlink()
"""

SKIPPING_LOOP = """
import sys
from pathlib import Path
import rattler_build as engine
root, out = Path(sys.argv[1]), Path(sys.argv[2])
settings = engine.ToolConfiguration(skip_existing="local", test_strategy="skip")
for path in sorted(root.glob("pkgs/*/recipe/recipe.yaml")):
    for variant in engine.Stage0Recipe.from_file(path).render(engine.VariantConfig({}), engine.RenderConfig()):
        variant.run_build(output_dir=out, channels=[out.as_uri()], tool_config=settings)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="100,300,1000,3000", help="recipes of the forges that are loaded")
    parser.add_argument("--recipes", type=int, default=1000, help="recipes of the forge that is published")
    parser.add_argument("--plain", default="100,300", help="recipes that the plain loop over the engine goes through")
    parser.add_argument("--only", choices=("loading", "nothing-to-do"), help="make one of the two tables")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wvforge-scale-") as name:
        folder = Path(name)
        sizes, plain = ([int(size) for size in text.split(",")] for text in (options.sizes, options.plain))
        tables = []
        if options.only in (None, "loading"):
            tables.append(loading(folder, sizes, options.repeat))
        if options.only in (None, "nothing-to-do"):
            tables.append(published(folder, options.recipes, plain, options.repeat))
    finish("scale", tables)


def loading(folder: Path, sizes: list[int], repeat: int) -> Table:
    """The definitions of recipes with six variants each, as Dagster loads them."""
    rows: list[tuple[str, ...]] = []
    before: tuple[int, float] | None = None
    bare = quickest([python("import dagster") for _ in range(repeat)])
    for size in sizes:
        forge = forge_in_columns(folder / f"columns-{size}", size)
        cold = loaded(forge)
        cached = [loaded(forge) for _ in range(repeat)]
        seconds, cpu = (min(run[position] for run in cached) for position in (0, 1))
        ratio = f"{(cpu / before[1]) ** (math.log(2) / math.log(size / before[0])):.2f}" if before else ""
        shown = f"{seconds:.1f} ({cpu:.1f})"
        rows.append((f"{size:,} x 6", f"{cold[0]:.1f} ({cold[1]:.1f})", shown, ratio, f"{cached[-1][2]:.0f} MiB"))
        before = (size, cpu)
        print(rows[-1], flush=True)
        shutil.rmtree(forge)
    rows.append(("`import dagster` itself", f"{bare.seconds:.1f} ({bare.cpu:.1f})", "", "", ""))
    return Table(
        "loading", ("recipes", "cold", "cached", "twice the recipes", "memory over `import dagster`"), tuple(rows)
    )


def loaded(forge: Path) -> tuple[float, ...]:
    """Wall and processor seconds over `import dagster`, and MiB over it."""
    done = measure([sys.executable, "-c", LOAD], cwd=forge, WVFORGE_FORGE=str(forge))
    return tuple(float(word) for word in done.output.split()[-3:])


def published(folder: Path, recipes: int, plain: list[int], repeat: int) -> Table:
    """A forge without variants, and beside it one with six each of a sixth of the recipes, all published."""
    rows: list[tuple[str, ...]] = []
    makers: list[tuple[str, Callable[[Path, int], Path], int]] = [
        (f"{recipes:,} recipes", plain_forge, recipes),
        (f"{recipes // 6:,} recipes x 6 variants", forge_in_columns, recipes // 6),
    ]
    for number, (what, make, count) in enumerate(makers):
        forge = make(folder / f"published-{number}", count)
        python(str(HERE / "published.py"), str(forge))
        first = measure([WVFORGE, "--forge", str(forge), "build"])
        measure([WVFORGE, "--forge", str(forge), "build"])
        again = quickest([measure([WVFORGE, "--forge", str(forge), "build"]) for _ in range(repeat)])
        memory = float(measure([sys.executable, "-c", BUILD], WVFORGE_FORGE=str(forge)).output.split()[-1])
        ticks = [tuple(map(float, line.split())) for line in python("-c", TICK, str(forge)).output.splitlines()]
        tick = f"{min(tick[0] for tick in ticks):.2f} ({min(tick[1] for tick in ticks):.2f})"
        rows += [
            (f"{what}: `wvforge build`, nothing to do", shown(again)),
            (f"{what}: the same for the first time: Dagster is told of all of them", shown(first)),
            (f"{what}: its memory over `import dagster`", f"{memory:.0f} MiB"),
            (f"{what}: a tick of the sensor after one change", tick),
        ]
        print(*rows[-4:], sep="\n", flush=True)
        if make is plain_forge:
            rows += [skipping(folder, forge, size) for size in plain]
    return Table("nothing-to-do", ("what", "seconds"), tuple(rows))


def skipping(folder: Path, forge: Path, size: int) -> tuple[str, str]:
    """The plain loop over as many of the recipes, with their packages in its output folder."""
    part = plain_forge(folder / f"plain-{size}", size)
    channel = folder / f"plain-{size}-channel"
    names = [path.name for path in (part / "pkgs").iterdir()]
    (channel / "noarch").mkdir(parents=True)
    for package in (forge / "output" / "channel" / "noarch").glob("*.conda"):
        if package.name.rsplit("-", 2)[0] in names:
            shutil.copy2(package, channel / "noarch")
    before = {path.name: path.stat().st_mtime_ns for path in channel.glob("noarch/*.conda")}
    done = python("-c", SKIPPING_LOOP, str(part), str(channel))
    after = {path.name: path.stat().st_mtime_ns for path in channel.glob("noarch/*.conda")}
    if before != after or len(after) != size:
        sys.exit("the plain loop built something")
    return f'{size:,} recipes: a plain loop over the engine, `skip_existing="local"`', shown(done)


def python(*arguments: str) -> Measured:
    return measure([sys.executable, *(["-c", *arguments] if arguments[0].startswith("import ") else arguments)])


def shown(measured: Measured) -> str:
    return f"{measured.seconds:.1f} ({measured.cpu:.1f})"


if __name__ == "__main__":
    main()
