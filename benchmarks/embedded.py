"""The embedded forge from nothing, with two jobs, beside a plain sequential loop over the engine that does the same work.

    python benchmarks/embedded.py [--jobs N] [--cuda 13.0] [--python 3.12] [--assembled FORGE] [--json FILE]

Both render, build, test and index the same recipes, against the same upstream channel, which is not timed. The longest chain of
the graph, with the loop's times, is what no number of machines gets through faster; half of the loop is what two cores, each as
fast as the loop, would take at best. Takes minutes of both cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from embedded_copy import EXAMPLE, WVFORGE, copy_embedded_forge

from wvforge_dagster.core.schedule import remaining_chains
from wvforge_dagster.cores import cores_of_machine
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk, open_forge
from wvforge_dagster.settings import read_settings

PLAIN_LOOP = """\
import asyncio, json, sys, time
from pathlib import Path
import rattler_build as engine
from rattler.index import index_fs
from wvforge_dagster.build.variant_config import read_variants
from wvforge_dagster.core.forge_file import load_forge
root, out, recipes = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
(out / "noarch").mkdir(parents=True)
asyncio.run(index_fs(out))
channels = [out.as_uri(), (root / "output" / "upstream").as_uri()]
declared = load_forge(root).architectures.to_json()  # keys that the engine alone does not know
variants = read_variants([root / "variants.yaml"], "linux-64", declared)
took = []
for path in recipes:
    for variant in engine.Stage0Recipe.from_file(root / path).render(variants, engine.RenderConfig()):
        started = time.monotonic()
        tools = engine.ToolConfiguration(test_strategy="skip", channel_priority="strict")
        built = variant.run_build(tool_config=tools, output_dir=out, channels=channels, no_build_id=True)
        tests = engine.Package.from_file(built.packages[0]).run_tests(channel=channels)
        assert all(test.success for test in tests), path
        asyncio.run(index_fs(out))
        values = {key: str(value) for key, value in variant.variant.items()}
        took.append([path, values.get("cuda_version", ""), values.get("python", ""), time.monotonic() - started])
print(json.dumps(took))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2, help="builds side by side")
    parser.add_argument("--cuda", action="append", default=[], help="only this column")
    parser.add_argument("--python", action="append", default=[], help="only this column")
    parser.add_argument("--assembled", type=Path, default=EXAMPLE, help="an embedded forge with its upstream channel")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wvforge-bench-") as folder:
        root = copy_embedded_forge(
            Path(folder) / "forge", options.assembled.resolve(), cuda=options.cuda, python=options.python
        )
        forge = open_forge(read_settings(root))
        started = time.monotonic()
        run([str(WVFORGE), "--forge", str(root), "build", "--jobs", str(options.jobs)])
        ours = time.monotonic() - started
        recipes = [package.path for package in forge.catalog.packages.values()]
        # From nothing too: packages that the other side has unpacked are not there.
        environment = {**os.environ, "RATTLER_CACHE_DIR": f"{folder}/cache"}
        started = time.monotonic()
        took = json.loads(
            run(
                [sys.executable, "-c", PLAIN_LOOP, str(root), f"{folder}/plain", *recipes], env=environment
            ).splitlines()[-1]
        )
        plain = time.monotonic() - started
        chain, each = longest_chain(forge, took)
    rows = [
        (f"plain loop over the engine, {len(took)} package variants", plain, "s"),
        (f"wvforge build --jobs {options.jobs}, on {cores_of_machine()} cores", ours, "s"),
        ("  ratio to the plain loop (at most 0.6 on two cores)", ours / plain, "x"),
        ("  longest chain of the graph, by the plain loop's times", chain, "s"),
        ("  its ratio: no number of machines is faster", chain / plain, "x"),
        *((f"  plain: {name}", seconds, "s") for name, seconds in each.items()),
    ]
    width = max(len(name) for name, _, _ in rows)
    for name, value, unit in rows:
        print(f"{name:<{width}}  {value:>8.2f} {unit}")
    if options.json:
        figures = {name.strip(): {"value": value, "unit": unit} for name, value, unit in rows}
        options.json.write_text(json.dumps(figures, indent=2))


def longest_chain(forge: ForgeOnDisk, took: list[list[str | float]]) -> tuple[float, dict[str, float]]:
    """Seconds of the longest chain, and of each package variant, as the plain loop took them."""
    by_place = {(str(path), str(cuda), str(python)): float(seconds) for path, cuda, python, seconds in took}
    seconds = {}
    for identity in forge.catalog.variants:
        package = forge.catalog.packages[identity.package]
        values = package.dimensions.split(identity.partition)
        wanted = (package.path, values.get("cuda", ""), values.get("python", ""))
        seconds[identity] = next(
            found
            for place, found in by_place.items()
            if all(mine in ("", other) for mine, other in zip(wanted, place, strict=True))
        )
    waits = {
        identity: {*variant.builds_against, *variant.runs_with} for identity, variant in forge.catalog.variants.items()
    }
    chains = remaining_chains(waits, seconds)
    return max(chains.values()), {str(identity): value for identity, value in seconds.items()}


def run(command: list[str], env: dict[str, str] | None = None) -> str:
    """The standard output of a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
