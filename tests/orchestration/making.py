"""Making package variants of small forges in this process, or in another."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from small_forge import SmallForge

from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.orchestration.made import Made, MakeFailed
from wvforge_dagster.orchestration.make import make_variant
from wvforge_dagster.orchestration.publish import Published, publish_variant

TESTS_FOLDER = Path(__file__).parents[1]

MAKE = """
import sys; from pathlib import Path
sys.path.insert(0, sys.argv[1])
from small_forge import SmallForge
from orchestration.making import make
exec(sys.argv[4])
forge = SmallForge.__new__(SmallForge); forge.root = Path(sys.argv[2])
print('ran' if make(forge, sys.argv[3]).ran else 'up to date')
"""


def quiet(level: str, line: str) -> None:
    """Nobody listens."""


def make(forge: SmallForge, package: str, partition: str = "", *, force: bool = False) -> Made:
    return make_variant(forge.open(), VariantId(package, partition), quiet, force=force)


def publish(forge: SmallForge, package: str, partition: str = "") -> Published:
    return publish_variant(forge.open(), VariantId(package, partition))


def make_and_publish(forge: SmallForge, *packages: str) -> None:
    for package in packages:
        make(forge, package)
        publish(forge, package)


def why_not_made(forge: SmallForge, package: str) -> MakeFailed:
    try:
        make(forge, package)
    except MakeFailed as failed:
        return failed
    raise AssertionError(f"{package} was made")


def make_elsewhere(forge: SmallForge, package: str, *, prelude: str = "") -> subprocess.Popen[str]:
    """Make a package in another process, which executes `prelude` first; it prints whether it ran."""
    arguments = [str(TESTS_FOLDER), str(forge.root), package, prelude]
    return subprocess.Popen([sys.executable, "-c", MAKE, *arguments], stdout=subprocess.PIPE, text=True)


def reaching_out(forge: SmallForge) -> None:
    """For scripts that speak with the test through files: builds run without a sandbox."""
    forge.configure(channels=[], variants=[], isolation="off")


def staged(forge: SmallForge) -> list[str]:
    """Filenames that the staging channel lists."""
    return sorted(entry.filename for entry in forge.open().staging.entries())


def published(forge: SmallForge) -> list[str]:
    """Filenames that the first publish target lists."""
    return sorted(entry.filename for entry in forge.open().targets[0][1].entries())
