"""Carry the built packages of one column to a machine that has a GPU and nothing else, and run their GPU tests there.

    python benchmarks/gpu_bundle.py examples/embedded '13.0|3.12' output/gpu     # writes output/gpu, at most 64 MiB
    bash output/gpu/run                                                          # there: needs bash, tar and NVIDIA's driver

The folder holds an environment with the packages and what they need to run, without what no program there reads, and the code
that runs GPU tests in every forge (`wvforge_dagster/build/gpu_tests.py`), which the environment's Python runs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import rattler
from rattler.package import BuildString, PackageName
from rattler.version import Version
from rattler.virtual_package import GenericVirtualPackage

from wvforge_dagster.build import gpu_tests
from wvforge_dagster.core.columns import matches
from wvforge_dagster.core.state import UP_TO_DATE
from wvforge_dagster.orchestration.evidence import derive_statuses
from wvforge_dagster.orchestration.forge_on_disk import open_forge
from wvforge_dagster.rattler_calls import wait_for
from wvforge_dagster.settings import Settings

PLACE = Path("/tmp/wvforge-gpu")
"""Where the environment lies, here while it is made and there while it is used: its paths are in it."""

NOT_NEEDED = (
    "conda-meta",
    "include",
    "share",
    "lib/pkgconfig",
    "lib/python*/test",
    "lib/python*/idlelib",
    "lib/python*/ensurepip",
    "lib/python*/tkinter",
    "lib/python*/lib2to3",
    "lib/python*/config-*",
    "lib/python*/site-packages/numpy/**/tests",
    "lib/python*/site-packages/pip",
    "**/__pycache__",
    "**/*.a",
    "**/*.pyi",
)

RUN = """\
#!/usr/bin/env bash
set -e
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p {place}
tar -xJf "$here/env.tar.xz" -C {place}
cp -r "$here/tests" {place}/
for request in {place}/tests/*.json; do
  echo "$(basename "$request" .json)"
  {place}/env/bin/python {place}/tests/gpu_tests.py "$request"
done
"""

MOST_BYTES = 64 << 20


def main() -> None:
    root, column, target = Path(sys.argv[1]).resolve(), sys.argv[2], Path(sys.argv[3]).resolve()
    forge = open_forge(Settings(forge=root, environ=dict(os.environ)))
    values = forge.catalog.dimensions.split(column)
    tested = [
        status
        for status in derive_statuses(forge).values()
        if status.gpu is not None
        and status.state in UP_TO_DATE
        and matches(forge.catalog.packages[status.id.package].dimensions.split(status.id.partition), values)
    ]
    shutil.rmtree(PLACE, ignore_errors=True)
    shutil.rmtree(target, ignore_errors=True)
    specs = [f"{item.name} =={item.version} {item.build}" for status in tested for item in status.artifacts]
    _install(specs, list(forge.solve_channels), forge.forge.platform)
    for pattern in NOT_NEEDED:
        for path in list((PLACE / "env").glob(pattern)):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    (target / "tests").mkdir(parents=True)
    subprocess.run(["tar", "-cJf", str(target / "env.tar.xz"), "-C", str(PLACE), "env"], check=True)
    shutil.copyfile(gpu_tests.__file__, target / "tests" / "gpu_tests.py")
    for status in tested:
        name = status.id.package
        folder = target / "tests" / name
        shutil.copytree(forge.recipe_path(name).parent, folder)
        tests = [asdict(test) for expected in status.expected for test in expected.output.gpu_tests]
        there = PLACE / "tests"
        request = {
            "prefix": f"{PLACE}/env",
            "folder": f"{there}/work-{name}",
            "files": f"{there}/{name}",
            "tests": tests,
        }
        (target / "tests" / f"{name}.json").write_text(json.dumps(request))
    (target / "run").write_text(RUN.format(place=PLACE))
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    print(f"{len(tested)} packages, {size / 2**20:.1f} MiB in {target}")
    for spec in specs:
        print(f"  {spec}")
    if size > MOST_BYTES:
        sys.exit(f"more than {MOST_BYTES >> 20} MiB")


def _install(specs: list[str], channels: list[str], platform: str) -> None:
    """An environment for a machine with a driver of any CUDA release."""
    there = [
        GenericVirtualPackage(PackageName(name), Version(version), BuildString("0"))
        for name, version in (("__cuda", "99"), ("__glibc", "2.34"), ("__unix", "0"), ("__linux", "5.10"))
    ]
    platforms = [platform, "noarch"]
    records = wait_for(rattler.solve(channels, specs, platforms=platforms, virtual_packages=there))
    with tempfile.TemporaryDirectory() as cache:
        wait_for(rattler.install(records, target_prefix=PLACE / "env", cache_dir=Path(cache), show_progress=False))


if __name__ == "__main__":
    main()
