"""Building recipes of a small forge without its orchestration."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_forge import SmallForge

from wvforge_dagster.build import supervisor
from wvforge_dagster.build.builder import BuildPlace, BuildRequest, BuiltPackage, build_output
from wvforge_dagster.build.process import ChildLimits
from wvforge_dagster.build.sandbox import find_sandbox
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.core.artifact import Record
from wvforge_dagster.core.digest import digest_files
from wvforge_dagster.core.inputs import input_digest, input_parts
from wvforge_dagster.core.recipe import Output
from wvforge_dagster.core.siblings import whole_variant

GENEROUS = ChildLimits(seconds=120)


class Builder:
    """Builds outputs of `forge`, each in a folder of its own, and keeps the lines of their logs."""

    def __init__(self, forge: SmallForge, limits: ChildLimits = GENEROUS) -> None:
        self.forge = forge
        self.limits = limits
        self.lines: list[str] = []
        self._count = 0

    def place(self, **changed: Any) -> BuildPlace:
        self._count += 1
        folder = self.forge.root / "work" / str(self._count)
        folder.mkdir(parents=True)
        files = tuple(sorted(self.forge.root.glob("variants*.yaml")))
        # Without any channel, the engine's tests would turn to conda-forge.
        empty = FolderChannel(self.forge.root / "empty-channel")
        empty.create()
        place = BuildPlace(folder, self.forge.root / "engine-cache", (empty.url,), files, "linux-64", self.limits)
        return replace(place, **changed)

    def build(self, name: str, output: Output | None = None, *, partition: str = "", **request: Any) -> BuiltPackage:
        """Build the only output of the recipe of `name`, or `output` of it."""
        output = output or self.forge.output(name)
        path = self.forge.root / f"pkgs/{name}/recipe/recipe.yaml"
        files = digest_files(path.parent, without=(path.name,))
        parts = input_parts(output, files=files, sources={}, local_packages={}, platform="linux-64")
        record = Record(name, partition, input_digest(parts), parts, recipe_number=output.build_number)
        sha256 = request.pop("recipe_sha256", hashlib.sha256(path.read_bytes()).hexdigest())
        if output.variant:
            request.setdefault("variant", whole_variant(output, self.forge.rendered(name).outputs))
        place = request.pop("place", None) or self.place()
        return build_output(BuildRequest(path, sha256, output, record, **request), place, self.on_log)

    def on_log(self, level: str, line: str) -> None:
        self.lines.append(f"{level}: {line}")


def why_no_sandbox() -> str:
    """Why there is no sandbox on this machine; nothing if there is one."""
    try:
        find_sandbox()
    except OSError as error:
        return str(error)
    return ""


sandboxed = pytest.mark.skipif(bool(why_no_sandbox()), reason=why_no_sandbox())


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Whether `condition` came true in this time."""
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.05)
    return True


def is_running(pid: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def read_pid(path: Path, seconds: float = 30.0) -> int:
    """The process id that a script writes to `path`; waits for it."""
    written = wait_until(lambda: path.exists() and path.read_text().strip().isdigit(), seconds)
    assert written, f"{path} was not written"
    return int(path.read_text())


def supervisors() -> list[int]:
    """Process ids of the supervisors that this process started."""
    found = supervisor.processes()
    mine = (pid for pid, (parent, _) in found.items() if parent == os.getpid())
    return [pid for pid in mine if supervisor.__file__ in Path(f"/proc/{pid}/cmdline").read_text(errors="replace")]
