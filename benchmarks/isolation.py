"""What the sandbox costs: tiny builds with it and without, in turns.  python benchmarks/isolation.py [BUILDS]"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from orchestration.making import make
from small_forge import SmallForge


def main() -> None:
    builds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    seconds: dict[str, list[float]] = {"required": [], "off": []}
    with tempfile.TemporaryDirectory() as folder:
        forge = SmallForge(Path(folder))
        forge.package("a")
        for number in range(2 * builds + 2):
            isolation = "off" if number % 2 else "required"
            forge.configure(channels=[], variants=[], isolation=isolation)
            started = time.perf_counter()
            make(forge, "a", force=True)
            if number > 1:
                seconds[isolation].append(time.perf_counter() - started)
    inside, outside = (statistics.median(seconds[key]) for key in ("required", "off"))
    print(f"{builds} builds: {inside:.2f} s with the sandbox, {outside:.2f} s without: ratio {inside / outside:.2f}")


if __name__ == "__main__":
    main()
