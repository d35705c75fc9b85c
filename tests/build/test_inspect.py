from __future__ import annotations

from pathlib import Path

import pytest
import rattler_build as engine

from build.places import Builder
from wvforge_dagster.build.inspect import inspect_package, read_environments
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.package_file import PackageFile


def test_a_package_says_what_it_is(builder: Builder) -> None:
    builder.forge.package("a")
    built = builder.build("a")
    assert inspect_package(built.file) == built.artifact


def test_another_tools_package_has_a_content_and_no_record(builder: Builder) -> None:
    builder.forge.package("a", more="extra: {wvforge: {version: 99, mine: true}}\n")
    place = builder.place()
    path = builder.forge.root / "pkgs/a/recipe/recipe.yaml"
    result = engine.Stage0Recipe.from_file(path).run_build(
        output_dir=place.folder, channels=[], tool_config=engine.ToolConfiguration(test_strategy="skip")
    )[0]
    file = PackageFile.read(Path(result.packages[0]), "noarch")
    assert inspect_package(file).record is None
    assert len(inspect_package(file).content) == 64


@pytest.mark.parametrize("damage", [b"", b"not a package", b"PK\x03\x04"])
def test_what_is_no_package_is_named(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "a-1-0.conda"
    path.write_bytes(damage)
    for read in (lambda: inspect_package(PackageFile.read(path, "noarch")), lambda: read_environments(path)):
        with pytest.raises(ForgeError, match=r"a-1-0\.conda: is not a whole package: .*; remove it and build it again"):
            read()


def test_a_cut_package_is_named(builder: Builder) -> None:
    builder.forge.package("a")
    built = builder.build("a")
    built.file.path.write_bytes(built.file.path.read_bytes()[:200])
    with pytest.raises(ForgeError, match="is not a whole package"):
        inspect_package(built.file)


def test_the_environment_that_a_package_was_built_in_is_read_back(builder: Builder) -> None:
    builder.forge.package("a")
    channel = FolderChannel(builder.forge.root / "channel")
    channel.publish([builder.build("a").file])
    builder.forge.package("b", host=("a",))
    built = builder.build("b", place=builder.place(channels=(channel.url,)))
    environments = read_environments(built.file.path)
    (found,) = environments.sections["host"]
    assert (found.name, found.version) == ("a", "1.0")
    assert found.channel.rstrip("/") == channel.url
    assert environments.sections["build"] == ()
