"""Many tiny packages: `wvforge build` beside a plain loop over the engine that renders, builds, tests and indexes the same.

    python benchmarks/many_builds.py [--packages 300] [--jobs 2] [--json FILE]

Each is run once, one after the other. The thirds of a run show whether a package takes longer the more there are.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from forges import plain_forge
from measuring import WVFORGE, Table, finish

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
    print("done", path.parts[-3], flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wvforge-many-") as name:
        folder = Path(name)
        forge = plain_forge(folder / "forge", options.packages)
        plain = moments([sys.executable, "-c", PLAIN_LOOP, str(forge), str(folder / "plain")], options.packages)
        ours = moments([WVFORGE, "--forge", str(forge), "build", "--jobs", str(options.jobs)], options.packages)
    jobs = "one job" if options.jobs == 1 else f"{options.jobs} jobs"
    columns = ("what", "seconds in all", "a package, first third", "second third", "last third")
    rows = (
        (f"{options.packages} packages, plain loop over the engine", *figures(plain)),
        (f"{options.packages} packages, `wvforge build`, {jobs}", *figures(ours)),
        ("ratio", f"{ours[-1] / plain[-1]:.1f}", "", "", ""),
    )
    finish("many_builds", [Table("many-builds", columns, rows)])


def moments(command: list[str], packages: int) -> list[float]:
    """Seconds from the start of a command until each package was done, and until it ended."""
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        lines = [(time.monotonic() - started, line) for line in process.stdout]
    found = [seconds for seconds, line in lines if line.startswith("done")]
    if process.returncode or len(found) != packages:
        said = "".join(line for _, line in lines[-30:])
        sys.exit(f"{command[0]} ended with {process.returncode} after {len(found)} packages:\n{said}")
    return [*found, time.monotonic() - started]


def figures(seconds: list[float]) -> tuple[str, ...]:
    """In all, and for a package in each third."""
    third = (len(seconds) - 1) // 3
    ends = [seconds[0], seconds[third], seconds[2 * third], seconds[3 * third - 1]]
    counts = [third, third, third - 1]
    shares = [(after - before) / count for before, after, count in zip(ends, ends[1:], counts, strict=False)]
    return (f"{seconds[-1]:.1f}", *(f"{share:.2f}" for share in shares))


if __name__ == "__main__":
    main()
