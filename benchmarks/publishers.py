"""Several publishers at a time to one channel: that nothing is lost, and how long it takes.

    python benchmarks/publishers.py [--publishers 4] [--packages 30] [--rounds 10] [--only MODE] [--json FILE]

Each round is a new channel, to which each publisher, a process of its own, publishes its own packages one after the other,
with an SBOM and a statement beside each. Modes: a folder; S3 on moto's server; S3 without the turns that publishers take at the
index, so that they write it over each other (each refused write makes py-rattler wait ten seconds and more). After each round
every file is read and compared with what was published and with the index. Exit status 1 if anything does not hold.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from integration.publishers import Round, folder_round, make_packages, s3_round
from servers.moto_server import MotoServer

MODES = ("folder", "s3", "s3 without turns")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--publishers", type=int, default=4, help="processes that publish at a time")
    parser.add_argument("--packages", type=int, default=30, help="packages of each of them")
    parser.add_argument("--rounds", type=int, default=10, help="new channels, one after the other")
    parser.add_argument("--only", choices=MODES, action="append", help="run this mode only; may be given again")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    options = parser.parse_args()
    found: dict[str, list[Round]] = {}
    with tempfile.TemporaryDirectory(prefix="wvforge-publishers-") as name:
        folder = Path(name)
        packages = make_packages(folder / "packages", options.publishers, options.packages)
        for mode in options.only or MODES:
            with MotoServer() as server:  # its objects are in memory: a new one for each mode
                rounds: dict[str, Callable[[], Round]] = {
                    "folder": lambda: folder_round(folder, packages),
                    "s3": lambda server=server: s3_round(server.url, packages),
                    "s3 without turns": lambda server=server: s3_round(server.url, packages, turns=False),
                }
                found[mode] = []
                for number in range(1, options.rounds + 1):
                    done = rounds[mode]()
                    found[mode].append(done)
                    print(f"{mode}, round {number}: {done.seconds:.1f} s, {len(done.faults)} faults", flush=True)
                    for fault in done.faults:
                        print(f"    {fault}", flush=True)
    print()
    print("| channel | publishers x packages | rounds | seconds of a round: median, longest | lost, corrupt, untrue |")
    print("| --- | --- | --- | --- | --- |")
    for mode, done_rounds in found.items():
        seconds = [done.seconds for done in done_rounds]
        faults = sum(len(done.faults) for done in done_rounds)
        counts = f"{options.publishers} x {options.packages} | {len(done_rounds)}"
        print(f"| {mode} | {counts} | {statistics.median(seconds):.0f}, {max(seconds):.0f} | {faults} |")
    if options.json:
        figures = {
            "publishers": options.publishers,
            "packages": options.packages,
            "rounds": {mode: [asdict(done) for done in done_rounds] for mode, done_rounds in found.items()},
        }
        options.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")
    if any(done.faults for done_rounds in found.values() for done in done_rounds):
        sys.exit(1)


if __name__ == "__main__":
    main()
