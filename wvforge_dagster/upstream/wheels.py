"""Convert wheels with whl2conda."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.upstream.engine import COMPRESSION_LEVEL
from wvforge_dagster.upstream.manifest import Wheel

_DEADLINE_S = 1200
# whl2conda has no option for its compression level (19, half a minute for numpy): it lays the package out,
# and the library that it packs with is called with another level.
_PACK = """
import sys
from conda_package_handling.api import create
create(sys.argv[1], None, sys.argv[2], compression_level=int(sys.argv[3]))
"""


def convert_wheel(entry: Wheel, wheel: Path, out: Path) -> tuple[Path, str]:
    """Make a conda package of a wheel, pure or not.

    Args:
        entry: names and requirements to change.
        wheel: the fetched wheel.
        out: an existing empty folder for the package.

    Returns:
        The package file in ``out``, and the platform it is for.

    Raises:
        ForgeError: whl2conda refused the wheel.
    """
    command = [sys.executable, "-m", "whl2conda", "convert", str(wheel), "--out-dir", str(out)]
    command += ["--format", "tree"]
    # Kept, for pip check; where whl2conda rewrites the metadata it folds long lines, which pip cannot read.
    command += ["--keep-pip-dependencies"]
    command += ["--allow-impure", "--ignore-pyproject", "--batch", "--quiet"]
    if entry.name:
        command += ["--name", entry.name]
    for old, new in entry.rename.items():
        command += ["--dependency-rename", old, new]
    for requirement in entry.add:
        command += ["--add-dependency", requirement]
    for name in entry.drop:
        command += ["--drop-dependency", name]
    _run(command, wheel.name)
    trees = [path for path in out.iterdir() if (path / "info" / "index.json").is_file()]
    if len(trees) != 1:
        raise ForgeError("whl2conda made no package of it", where=wheel.name)
    index = json.loads((trees[0] / "info" / "index.json").read_text(encoding="utf-8"))
    package = out / f"{index['name']}-{index['version']}-{index['build']}.conda"
    _run([sys.executable, "-c", _PACK, str(trees[0]), str(package), str(COMPRESSION_LEVEL)], wheel.name)
    return package, str(index["subdir"])


def _run(command: list[str], where: str) -> None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_DEADLINE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ForgeError(f"converting it took longer than {_DEADLINE_S} s", where=where) from error
    if "No module named whl2conda" in done.stderr:
        raise ForgeError("whl2conda is not installed", where=where, remedy="install wvforge-dagster[embedded]")
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise ForgeError(f"whl2conda could not convert the wheel ({last[:300]})", where=where)
