"""The folders in which the blocks of each page are run: what the page takes to be there when it is read."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from integration.commands import run
from servers.moto_server import MotoServer
from small_forge import SmallForge

Variables = dict[str, str]
IN_COLUMNS = (
    "package: {name: mid, version: '1.0'}\nbuild: {variant: {use_keys: [cuda_version]}, script: 'touch $PREFIX/mid'}\n"
)


@contextmanager
def nothing(folder: Path) -> Iterator[tuple[Path, Variables]]:
    """An empty folder."""
    yield folder, {}


@contextmanager
def recipes_elsewhere(folder: Path) -> Iterator[tuple[Path, Variables]]:
    """Recipes in `recipes/`, and no forge."""
    _low_and_mid(folder)
    (folder / "recipes").mkdir()
    for name in ("low", "mid"):
        (folder / "pkgs" / name / "recipe").rename(folder / "recipes" / name)
    (folder / "forge.yaml").unlink()
    yield folder, {}


@contextmanager
def low_and_mid(folder: Path) -> Iterator[tuple[Path, Variables]]:
    """Two packages, of which one builds against the other."""
    _low_and_mid(folder)
    yield folder, {}


@contextmanager
def one_column(folder: Path) -> Iterator[tuple[Path, Variables]]:
    """A package in one CUDA column, published."""
    forge = SmallForge(folder)
    forge.write("forge.yaml", "channels: []\n")
    forge.write("variants.yaml", 'cuda_version: ["12.8"]\n')
    forge.recipe("mid", IN_COLUMNS)
    _build(folder)
    yield folder, {}


@contextmanager
def bucket(folder: Path) -> Iterator[tuple[Path, Variables]]:
    """A package, and a server with the bucket `my-bucket`."""
    import boto3

    forge = SmallForge(folder)
    forge.write("variants.yaml", 'python: ["3.12"]\n')
    forge.package("low")
    with MotoServer() as server:
        keys = {"aws_access_key_id": "my-key", "aws_secret_access_key": "my-secret"}
        boto3.client("s3", endpoint_url=server.url, region_name="us-east-1", **keys).create_bucket(Bucket="my-bucket")
        yield folder, {"SERVER": server.url}


@contextmanager
def clone(folder: Path) -> Iterator[tuple[Path, Variables]]:
    """What `make demo` leaves, as far as the README speaks of it: an environment, and examples/embedded with `numcu`."""
    (folder / ".venv").symlink_to(sys.prefix)
    with numcu(folder / "examples" / "embedded") as found:
        yield found


@contextmanager
def numcu(folder: Path) -> Iterator[tuple[Path, Variables]]:
    """`numcu` in one column, published."""
    folder.mkdir(parents=True, exist_ok=True)
    forge = SmallForge(folder)
    forge.write("forge.yaml", "channels: []\n")
    forge.write("variants.yaml", 'python: ["3.12"]\ncuda_version: ["13.0"]\n')
    forge.recipe("numcu", IN_COLUMNS.replace("mid", "numcu").replace("[cuda_version]", "[cuda_version, python]"))
    _build(folder)
    yield folder, {}


def _build(folder: Path) -> None:
    built = run("wvforge", "--forge", str(folder), "build")
    assert built.returncode == 0, built.stdout


def _low_and_mid(folder: Path) -> None:
    forge = SmallForge(folder)
    forge.package("low", "mkdir -p $PREFIX/share\necho low > $PREFIX/share/low.txt")
    forge.package("mid", host=("low",))


Scratch = Callable[[Path], AbstractContextManager[tuple[Path, Variables]]]
PAGES: dict[str, Scratch] = {
    "README.md": clone,
    "docs/tutorial.md": nothing,
    "docs/how-to/own-forge.md": recipes_elsewhere,
    "docs/how-to/new-cuda-version.md": one_column,
    "docs/how-to/s3-channel.md": bucket,
    "docs/how-to/failing-build.md": low_and_mid,
    "docs/forge-yaml.md": nothing,
    "docs/provenance.md": numcu,
}
