"""Variant files that are locked by the version of a package which holds them, as conda-forge's pinning is."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest
from build.tiny_packages import build_tiny
from small_forge import SmallForge

from orchestration.making import make_and_publish
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.package_file import PackageFile

NAME = "conda-forge-pinning"
OLD, NEW = "2026.11.20.10.05.06", "2026.11.24.01.02.03"

PINNING = """\
python: # comment
  - 3.11.* *_cpython  # [linux]
  - 3.12.* *_cpython
  - 0.0               # [win]
"""

USES_PYTHON = """
package: {name: a, version: '1'}
build: {script: 'mkdir -p $PREFIX/share; echo ${{ python }} > $PREFIX/share/a'}
about: {license: MIT}
"""


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A channel with two versions of the pinning."""
    folder = tmp_path_factory.mktemp("upstream")
    channel = FolderChannel(folder / "channel", label="upstream")
    for version, lines in ((OLD, PINNING.replace("3.12", "3.10")), (NEW, PINNING)):
        quoted = " ".join(map(shlex.quote, lines.splitlines()))
        script = f"printf '%s\\n' {quoted} > $PREFIX/conda_build_config.yaml"
        package = {"name": NAME, "version": version}
        path = build_tiny(folder / version, script, package=package, build={"noarch": "generic"})
        channel.publish([PackageFile.read(path, "noarch")])
    return channel.path


def configured(forge: SmallForge, upstream: Path, **lock: str) -> SmallForge:
    forge.configure(channels=[{"file": str(upstream)}], variants=[{"package": NAME, **lock}])
    forge.recipe("a", USES_PYTHON)
    return forge


def pythons(forge: SmallForge) -> list[str]:
    return [identity.partition for identity in forge.open().catalog.variants]


def test_each_version_gives_its_own_variants_and_is_read_without_its_channel_from_then_on(
    small_forge: SmallForge, upstream: Path, tmp_path: Path
) -> None:
    away = shutil.copytree(upstream, tmp_path / "away")
    assert pythons(configured(small_forge, away, version=OLD)) == ["3.11", "3.10"]
    assert pythons(configured(small_forge, away, version=NEW)) == ["3.11", "3.12"]
    shutil.rmtree(away)
    assert pythons(configured(small_forge, away, version=OLD)) == ["3.11", "3.10"]


def test_a_build_reads_it(small_forge: SmallForge, upstream: Path) -> None:
    configured(small_forge, upstream, version=NEW)
    forge = small_forge.open()
    assert [path.relative_to(small_forge.root).as_posix() for path in forge.variant_files] == [
        f"output/variants/{NAME}-{NEW}/conda_build_config.yaml"
    ]
    small_forge.recipe(
        "a", USES_PYTHON.replace("${{ python }}", "none").replace("build: {", "build: {noarch: generic, ")
    )
    make_and_publish(small_forge, "a")
    assert small_forge.states() == {"a": "published"}


@pytest.mark.parametrize(
    ("lock", "words"),
    [
        ({"version": "1999.1"}, "variants.0: conda-forge-pinning 1999.1 is in no upstream channel (file://"),
        ({"version": NEW, "file": "none.yaml"}, f"variants.0: conda-forge-pinning {NEW} has no file none.yaml; name"),
        (
            {"version": NEW, "file": "../up"},
            "variants.0: the file '../up' of a package should be a path below its root",
        ),
        ({}, "variants.0: `package` and `version` go together"),
        ({"version": NEW, "sha256": "0" * 64}, "conda_build_config.yaml: is not the file that is locked"),
    ],
)
def test_what_cannot_be_had_is_one_line_with_its_key(
    small_forge: SmallForge, upstream: Path, lock: dict[str, str], words: str
) -> None:
    configured(small_forge, upstream, **lock)
    with pytest.raises(ForgeError) as fault:
        small_forge.open()
    assert words in str(fault.value)
    assert "\n" not in str(fault.value)


def test_a_channel_that_cannot_be_read_is_named(small_forge: SmallForge, tmp_path: Path) -> None:
    configured(small_forge, tmp_path / "absent", version=NEW)
    with pytest.raises(ForgeError, match=r"variants\.0: conda-forge-pinning .* cannot be fetched: .*absent"):
        small_forge.open()


def test_a_package_that_is_not_the_one_its_channel_lists_is_refused(
    small_forge: SmallForge, upstream: Path, tmp_path: Path
) -> None:
    lying = shutil.copytree(upstream, tmp_path / "lying")
    (package,) = lying.glob(f"noarch/{NAME}-{NEW}-*.conda")
    with package.open("ab") as stream:
        stream.write(b"x")
    configured(small_forge, lying, version=NEW)
    with pytest.raises(ForgeError, match=rf"variants\.0: {NAME} {NEW} cannot be fetched: {NAME}-.*\.conda: "):
        small_forge.open()
