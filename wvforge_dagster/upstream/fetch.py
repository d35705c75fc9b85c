"""Download pinned files with pip, so that its configuration (index, mirror, certificates) holds here too."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.upstream import metadata_backend
from wvforge_dagster.upstream.manifest import Pinned
from wvforge_dagster.upstream.tags import wheel_python

UNFINISHED = ".fetch-"
"""How the names of folders begin in which files are not complete yet."""

_DEADLINE_S = 1800
_BACKENDS = (
    "setuptools.build_meta",
    "hatchling.build",
    "flit_core.buildapi",
    "scikit_build_core.build",
    "poetry.core.masonry.api",
    "pdm.backend",
    "mesonpy",
    "maturin",
)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, as lower-case hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(pinned: Pinned, file: str, folder: Path) -> Path:
    """Bring one file of a release into a folder; nothing happens if it is there with the right digest.

    The file appears under its name only when it is complete and its digest was checked.

    Args:
        pinned: the release.
        file: name of the file, one of ``pinned.sha256``.
        folder: where it goes.

    Raises:
        ForgeError: pip cannot get it, or got something with another digest.
    """
    target = folder / file
    digest = pinned.sha256[file]
    if target.is_file() and sha256_of(target) == digest:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=folder) as temporary:
        work = Path(temporary)
        _pip_download(pinned.pip, file, digest, work)
        got = work / "got" / file
        if not got.is_file() or sha256_of(got) != digest:
            names = ", ".join(sorted(p.name for p in (work / "got").iterdir())) or "nothing"
            raise ForgeError(f"the registry gave {names} for {pinned.pip}, wanted {file}", where=file)
        got.replace(target)
    return target


def _pip_download(pin: str, file: str, digest: str, work: Path) -> None:
    requirements = work / "requirements.txt"
    requirements.write_text(f"{pin} --hash=sha256:{digest}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input"]
    command += ["--disable-pip-version-check", "--dest", str(work / "got"), "-r", str(requirements)]
    # A constraints file of the machine is meant for what is installed on it, not for what is pinned here.
    environment = os.environ | {"PIP_CONSTRAINT": os.devnull, "PIP_PROGRESS_BAR": "off"}
    (work / "got").mkdir()
    if file.endswith(".whl"):
        command += ["--only-binary", ":all:"]
        python = wheel_python(file)
        if python is not None:
            command += ["--python-version", python]
    else:
        command += ["--no-binary", ":all:", "--no-build-isolation"]
        environment |= {"PIP_USE_PEP517": "1", "PYTHONPATH": str(_write_backends(work / "backends"))}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_DEADLINE_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ForgeError(f"pip took longer than {_DEADLINE_S} s to fetch {pin}", where=file) from error
    if done.returncode != 0:
        raise ForgeError(
            f"pip could not fetch {pin} ({_reason(done.stderr)})",
            where=file,
            remedy="check that the Python package registry, or pip's mirror of it, can be reached",
        )


def _reason(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
    network = [line for line in lines if "Retrying" in line or "Errno" in line]
    if network and errors:
        return "no connection"
    return (errors or lines or ["no message"])[0][:200]


def _write_backends(folder: Path) -> Path:
    for backend in _BACKENDS:
        package = folder.joinpath(*backend.split("."))
        package.mkdir(parents=True)
        for parent in list(package.relative_to(folder).parents)[:-1]:
            (folder / parent / "__init__.py").touch()
        shutil.copyfile(metadata_backend.__file__, package / "__init__.py")
    return folder
