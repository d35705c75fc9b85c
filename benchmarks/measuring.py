"""Running what is measured, and the tables that come of it: printed, kept as JSON, and shown in docs/performance.md."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
RESULTS = PROJECT / "benchmarks" / "results"
WVFORGE = str(Path(sys.executable).parent / "wvforge")


@dataclass(frozen=True)
class Measured:
    """What a command took.

    Attributes:
        seconds: wall time.
        cpu: seconds of the processor, of the command and of what it started and waited for.
    """

    seconds: float
    cpu: float
    output: str


@dataclass(frozen=True)
class Table:
    """A table of figures. `name` is that of its place in docs/performance.md; a cell is shown as it is."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        lines = [self.columns, ("---",) * len(self.columns), *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def measure(command: Sequence[str], *, cwd: Path | None = None, **environment: str) -> Measured:
    """Run a command that must succeed."""
    before, started = os.times(), time.monotonic()
    done = subprocess.run(
        command,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
    )
    seconds, after = time.monotonic() - started, os.times()
    if done.returncode:
        sys.exit(f"{' '.join(command)[:200]} failed:\n{done.stdout[-3000:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Measured(seconds, cpu, done.stdout)


def quickest(runs: Sequence[Measured]) -> Measured:
    """The least of each: what else runs on the machine only adds."""
    return Measured(min(run.seconds for run in runs), min(run.cpu for run in runs), runs[-1].output)


def finish(script: str, tables: Sequence[Table]) -> None:
    """Print the tables and keep them under ``benchmarks/results``; with ``--json FILE``, there. Other tables
    in that file stay."""
    for table in tables:
        print(f"\n{table.name}\n{table.markdown()}")
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--json", type=Path, default=RESULTS / f"{script}.json")
    path: Path = parser.parse_known_args()[0].json
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {table["name"]: table for table in (json.loads(path.read_text(encoding="utf-8")) if path.exists() else ())}
    kept |= {table.name: asdict(table) for table in tables}
    path.write_text(json.dumps(list(kept.values()), indent=1) + "\n", encoding="utf-8")


def read_tables() -> list[Table]:
    """Every table that was kept."""
    return [
        Table(table["name"], tuple(table["columns"]), tuple(map(tuple, table["rows"])))
        for path in sorted(RESULTS.glob("*.json"))
        for table in json.loads(path.read_text(encoding="utf-8"))
    ]
