"""A copy of the embedded forge for benchmarks: from nothing, but for the upstream channel and the sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parent.parent
EXAMPLE = PROJECT / "examples" / "embedded"
WVFORGE = Path(sys.executable).with_name("wvforge")


def copy_embedded_forge(target: Path, assembled: Path, *, cuda: list[str], python: list[str], **keys: Any) -> Path:
    """Make a forge in `target` that builds what the embedded one builds.

    Args:
        assembled: an embedded forge whose upstream channel and sources are there, or are made now; nothing of it is changed
            after.
        cuda: columns, and `python` likewise; none for all.
        keys: of forge.yaml, besides the example's.
    """
    if not (assembled / "output" / "upstream" / "made.json").exists():
        subprocess.run([str(WVFORGE), "--forge", str(assembled), "upstream"], check=True)
    shutil.copytree(EXAMPLE / "pkgs", target / "pkgs")
    for name in ("sources", "output/upstream"):
        shutil.copytree(assembled / name, target / name, copy_function=os.link)
    settings = yaml.safe_load((EXAMPLE / "forge.yaml").read_text())
    del settings["upstream"]
    (target / "forge.yaml").write_text(yaml.safe_dump({**settings, **keys}))
    variants = yaml.safe_load((EXAMPLE / "variants.yaml").read_text())
    wanted = {"cuda_version": cuda or variants["cuda_version"], "python": python or variants["python"]}
    (target / "variants.yaml").write_text(yaml.safe_dump(wanted))
    return target
