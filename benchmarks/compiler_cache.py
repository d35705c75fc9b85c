"""A second build of the embedded forge's CUDA packages, after the first filled the compiler cache.

    python benchmarks/compiler_cache.py [--cuda 13.0] [--python 3.12] [--assembled FORGE] [--json FILE]

One package variant after the other, so that neither side shares the cores. Compile time is that of the build scripts, which
also configure and link. The packages that the two need are built before and not timed. Takes minutes of both cores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

from embedded_copy import EXAMPLE, WVFORGE, copy_embedded_forge

from wvforge_dagster.orchestration.forge_on_disk import open_forge
from wvforge_dagster.orchestration.make import make_variant
from wvforge_dagster.settings import read_settings

CUDA_PACKAGES = ("cuvec", "numcu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuda", action="append", default=[], help="only this column")
    parser.add_argument("--python", action="append", default=[], help="only this column")
    parser.add_argument("--assembled", type=Path, default=EXAMPLE, help="an embedded forge with its upstream channel")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    options = parser.parse_args()
    figures = []
    with tempfile.TemporaryDirectory(prefix="wvforge-bench-") as folder:
        root = copy_embedded_forge(
            Path(folder) / "forge",
            options.assembled.resolve(),
            cuda=options.cuda,
            python=options.python,
            **{"compiler-cache": {}},
        )
        subprocess.run([str(WVFORGE), "--forge", str(root), "build", "scikit-build-core", "--no-publish"], check=True)
        variants = [*open_forge(read_settings(root)).catalog.variants]
        for round_number in (1, 2):
            for identity in variants:
                if identity.package in CUDA_PACKAGES:
                    forge = open_forge(read_settings(root))
                    made = make_variant(forge, identity, lambda level, line: None, force=round_number == 2)
                    assert made.cache_use is not None
                    figures.append(
                        {
                            "build": round_number,
                            "package variant": str(identity),
                            "script (s)": made.seconds["script"],
                            "hits": made.cache_use.hits,
                            "misses": made.cache_use.misses,
                        }
                    )
                    print("  ".join(f"{key} {value}" for key, value in figures[-1].items()), flush=True)
    first, second = (sum(row["script (s)"] for row in figures if row["build"] == number) for number in (1, 2))
    print(f"compile time {first:.1f} s, then {second:.1f} s: ratio {second / first:.2f} (at most 0.33)")
    if options.json:
        options.json.write_text(json.dumps({"ratio": second / first, "builds": figures}, indent=2))


if __name__ == "__main__":
    main()
