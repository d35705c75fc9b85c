"""What becomes of a forge whose builds are killed with ``kill -9`` at random moments.

    python benchmarks/kill_builds.py [--forge FOLDER] [--kills N] [--longest SECONDS] [--seed N] [--json FILE]

Works on a copy of the forge, with the upstream channel and the sources that it has. Each round starts `wvforge build --jobs 2`
and kills its main process after a random time; in two of five rounds, a run worker or the fork server before that. Nothing of
a build may be left 15 s later. After the last round a build runs to its end, and everything has to hold that is listed in
tests/integration/forge_checks.py. Prints tables; exit status 1 if anything does not hold, and then the copy stays.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT / "tests"))

from integration.commands import run  # noqa: E402
from integration.forge_checks import History, check  # noqa: E402
from integration.killed_builds import Round, kill_one  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--forge", type=Path, default=PROJECT / "examples" / "embedded", help="the forge to copy")
    parser.add_argument("--kills", type=int, default=20, help="builds to kill")
    parser.add_argument(
        "--longest", type=float, default=45.0, help="seconds that a build has at most, before it is killed"
    )
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(10**6), help="of the random moments"
    )
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="wvforge-kill-"))
    forge = copy_forge(options.forge.resolve(), folder / "forge")
    print(f"seed {options.seed}, {options.kills} builds of at most {options.longest:g} s each", flush=True)
    rounds, history = kill_all(forge, folder, options.kills, options.longest, random.Random(options.seed))
    started = time.monotonic()
    last = run("wvforge", "--forge", str(forge), "build", "--jobs", "2", seconds=7200)
    seconds = time.monotonic() - started
    found = check(forge, history)
    found["the last build ended well"] = [] if last.returncode == 0 else [last.stdout[-3000:]]
    found["nothing was left of any build after 15 s, and none failed"] = [fault for r in rounds for fault in r.faults]
    show(rounds, found, seconds)
    if options.json:
        figures = {
            "seed": options.seed,
            "rounds": [asdict(r) for r in rounds],
            "last_build_seconds": seconds,
            "faults": found,
        }
        options.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")
    if any(found.values()):
        sys.exit(f"the forge and what its builds said: {folder}")
    shutil.rmtree(folder)


def copy_forge(source: Path, target: Path) -> Path:
    """A copy of a forge with nothing built, but with its upstream channel and the records of how that was made."""
    shutil.copytree(source, target, symlinks=True, ignore=lambda at, _: {"output"} if Path(at) == source else set())
    for name in ("output/upstream", "output/work/upstream"):
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, symlinks=True)
    return target


def kill_all(
    forge: Path, folder: Path, kills: int, longest: float, moments: random.Random
) -> tuple[list[Round], History]:
    """Start and kill the builds, and take down what lies in the forge after each."""
    rounds, history = [], History()
    print(f"{'build':>5}  {'killed':<12}  {'moment':<24} {'after s':>8} {'gone s':>7} {'staged':>7}")
    for number in range(1, kills + 1):
        ended = kill_one(forge, folder / f"build-{number}.txt", moments, longest)
        history.take(forge)
        rounds.append(ended)
        figures = f"{ended.seconds:>8.1f} {ended.left_seconds:>7.1f} {len(history.packages[-1]):>7}"
        print(f"{number:>5}  {ended.victim:<12}  {ended.moment:<24} {figures}", flush=True)
        for fault in ended.faults:
            print(f"       {fault}", flush=True)
    return rounds, history


def show(rounds: list[Round], found: dict[str, list[str]], seconds: float) -> None:
    """How many builds ended how, and what does not hold."""
    print()
    for (victim, moment), count in sorted(Counter((r.victim, r.moment) for r in rounds).items()):
        print(f"{count:>4}  {victim}, {moment}")
    print(f"      longest until nothing was left: {max((r.left_seconds for r in rounds), default=0):.1f} s")
    print(f"      the last build, to its end: {seconds:.0f} s\n")
    for what, faults in found.items():
        print(f"{'ok' if not faults else 'FAILED':<7} {what}")
        for fault in faults:
            print(f"          {fault}")


if __name__ == "__main__":
    main()
