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

from forges import plain_forge
from many_builds import PLAIN_LOOP
from measuring import PROJECT

BIN = Path(sys.executable).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=int, default=20, help="tiny packages in the overhead measurement")
    parser.add_argument("--demo", action="store_true", help="also time `make demo` in a fresh clone")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    options = parser.parse_args()
    rows = [*overhead(options.packages), *validation(), *status_of_the_root_forge()]
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
            forge = plain_forge(Path(folder) / f"forge-{size}", size)
            plain[size] = seconds([sys.executable, "-c", PLAIN_LOOP, str(forge), str(Path(folder) / f"plain-{size}")])
            command = [str(BIN / "wvforge"), "--forge", str(forge), "build", "--jobs", "1"]
            ours[size] = seconds(command)
        again = statistics.median(seconds(command) for _ in range(3))
        status = statistics.median(seconds([*command[:3], "status"]) for _ in range(3))
        two = plain_forge(Path(folder) / "two", count)
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
