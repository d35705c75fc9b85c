"""Runs GPU tests in an environment that is there already.

It needs nothing but Python's standard library and an environment, so that it also runs where there is a GPU and nothing else:
``python gpu_tests.py REQUEST``, where REQUEST is a file with JSON: ``prefix`` (the environment's folder), ``folder`` (a folder
to work in), ``files`` (the recipe's folder, or null) and ``tests`` (each with ``commands``, ``imports`` and ``files``). It
writes one line of JSON for the GPU, and one for each test; its exit status is 0 if all passed, 1 if one failed, 3 if there is
no GPU.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ASK_SECONDS = 60.0
NO_GPU = 3
KEPT_LINES = 60
"""Of what a test printed."""


@dataclass(frozen=True)
class Gpu:
    """The first GPU of a machine.

    Attributes:
        driver: version of the driver.
        cuda: the newest CUDA release that the driver runs.
    """

    name: str
    driver: str
    cuda: str


@dataclass(frozen=True)
class Ran:
    """How a test ended. `output`: the last lines of what it printed."""

    passed: bool
    seconds: float
    output: str


def find_gpu() -> Gpu | None:
    """The first GPU that NVIDIA's driver has, as ``nvidia-smi`` says; None if there is none, or no driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        done = subprocess.run([program, "-q", "-x"], capture_output=True, timeout=ASK_SECONDS, check=False)
        root = ElementTree.fromstring(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ElementTree.ParseError):
        return None
    name = root.findtext("gpu/product_name")
    if done.returncode or not name:
        return None
    return Gpu(name.strip(), _text(root, "driver_version"), _text(root, "cuda_version"))


def _text(root: ElementTree.Element, tag: str) -> str:
    return (root.findtext(tag) or "unknown").strip()


def run_tests(tests: Iterable[Mapping[str, Any]], prefix: Path, folder: Path, files: Path | None) -> Iterator[Ran]:
    """Run tests in an environment, one after the other, each in a folder of its own below `folder`."""
    for position, test in enumerate(tests):
        yield run_test(test, prefix, folder / f"test-{position}", files)


def run_test(test: Mapping[str, Any], prefix: Path, folder: Path, files: Path | None) -> Ran:
    """Run one test in an environment, in a new folder with the files that it names."""
    folder.mkdir(parents=True)
    for name in test.get("files") or ():
        assert files is not None, "tests that name files come with them"
        _copy(files / name, folder / name)
    script = folder / ".gpu-test.sh"
    script.write_text("\n".join(_script(test, prefix)), encoding="utf-8")
    shell = shutil.which("bash") or "bash"
    started = time.monotonic()
    done = subprocess.run(
        [shell, str(script)],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    return Ran(done.returncode == 0, time.monotonic() - started, "\n".join(lines[-KEPT_LINES:]))


def _script(test: Mapping[str, Any], prefix: Path) -> Iterator[str]:
    """The test as a script, with the environment activated as conda does it."""
    place = shlex.quote(str(prefix))
    yield f"export CONDA_PREFIX={place} PREFIX={place} PATH={place}/bin:$PATH PYTHONNOUSERSITE=1"
    yield 'for one in "$CONDA_PREFIX"/etc/conda/activate.d/*.sh; do test -r "$one" && . "$one"; done'
    yield "set -e"
    yield from test.get("commands") or ()
    if test.get("imports"):
        yield f"python -c {shlex.quote('import ' + ', '.join(test['imports']))}"


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copyfile(source, target)


def main() -> int:
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    gpu = find_gpu()
    if gpu is None:
        print("there is no GPU here", file=sys.stderr)
        return NO_GPU
    print(json.dumps({"event": "gpu", **asdict(gpu)}), flush=True)
    files = Path(request["files"]) if request.get("files") else None
    prefix, folder = Path(request["prefix"]).resolve(), Path(request["folder"]).resolve()
    all_passed = True
    for ran in run_tests(request["tests"], prefix, folder, files):
        all_passed = all_passed and ran.passed
        print(json.dumps({"event": "tested", **asdict(ran)}), flush=True)
    return 0 if all_passed else 1


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    sys.exit(main())
