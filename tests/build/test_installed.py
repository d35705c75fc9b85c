"""Which packages have which libraries is read from what the engine unpacked for the build and its tests."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from build.places import Builder
from wvforge_dagster.build.installed import find_libraries
from wvforge_dagster.build.look import look_into
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.core.libraries import Libraries, check_libraries
from wvforge_dagster.core.package_facts import Linked, PackageFacts

LIBRARY = """
mkdir -p $PREFIX/lib
printf 'int {name}(void) {{ return 42; }}' > {name}.c
cc -shared -fPIC -Wl,-soname,lib{name}.so.1 -o $PREFIX/lib/lib{name}.so.1 {name}.c
"""
PROGRAM = """
mkdir -p $PREFIX/bin
printf 'int near(void); int far(void); int main(void) { return near() + far(); }' > main.c
cc -o $PREFIX/bin/program main.c $PREFIX/lib/libnear.so.1 $PREFIX/lib/libfar.so.1
"""


def recipe(name: str, script: str, **requirements: list[str]) -> str:
    build = {"script": list(script.strip().splitlines())}
    return json.dumps({"package": {"name": name, "version": "1.0"}, "build": build, "requirements": requirements})


@pytest.mark.parametrize(
    ("run", "found"),
    [
        (["near"], []),
        ([], ["is linked to libnear.so.1 of near, which is no run requirement"]),
        (["far"], ["is linked to libnear.so.1 of near, which is no run requirement"]),
        (["near >=2"], []),
        (["near >=0.5, <2"], []),
        (["other"], ["is linked to libnear.so.1 of near, which is no run requirement, unless other requires it"]),
    ],
    ids=["through another", "none", "one of two", "of another version", "with a blank", "not known"],
)
def test_a_library_is_looked_for_in_what_the_run_requirements_bring_along(
    built: PackageFacts, cache: Path, run: list[str], found: list[str]
) -> None:
    facts = PackageFacts.from_json(built.to_json() | {"depends": run, "files": [], "host": built.to_json()["host"]})
    assert {name for name, _, _ in facts.host} == {"near", "far"}
    words = [finding.what for finding in check_libraries(facts, find_libraries(facts, cache))]
    assert [text for text in words if "libnear" in text] == found
    assert any("libfar" in text for text in words) is not bool(run and run[0].startswith(("near", "far")))


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    from small_forge import SmallForge

    root = tmp_path_factory.mktemp("libraries") / "forge"
    root.mkdir()
    return Builder(SmallForge(root))


@pytest.fixture(scope="module")
def built(places: Builder) -> PackageFacts:
    """A program that is linked to libraries of two packages, of which one requires the other."""
    channel = FolderChannel(places.forge.root / "channel")
    for name, script, requirements in (
        ("far", LIBRARY.format(name="far"), {}),
        ("near", LIBRARY.format(name="near"), {"run": ["far"]}),
        ("program", PROGRAM, {"host": ["near", "far"]}),
    ):
        places.forge.recipe(name, recipe(name, script, **requirements))
        place = places.place()
        channels = (channel.url, *place.channels) if name != "far" else place.channels
        place = places.place(channels=channels)
        package = places.build(name, place=place)
        channel.publish([package.file])
    return look_into(package.file, places.place(), places.on_log)


@pytest.fixture(scope="module")
def cache(places: Builder) -> Path:
    return places.forge.root / "engine-cache"


def put_nothing(path: Path) -> None:
    """Nothing is put there."""


def put_text(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text)


def put_huge_file(path: Path) -> None:
    path.touch()
    os.truncate(path, 200 << 30)


def put_link_above(path: Path) -> None:
    """The right file, but its folder is a link."""
    info, elsewhere = path.parent, path.parents[2] / "elsewhere"
    if not info.is_symlink():
        info.rename(elsewhere)
        info.symlink_to(elsewhere)
    (elsewhere / path.name).write_bytes((elsewhere / "true.json").read_bytes())


@pytest.mark.parametrize(
    "put",
    [
        put_nothing,
        os.mkfifo,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to(path.parent / "true.json"),
        put_link_above,
        put_huge_file,
        put_text("[" * 100_000),
        put_text('{"paths": 5, "depends": {}}'),
        put_text('{"paths": [5, {}, {"_path": 7}, null], "depends": [5, "", null]}'),
    ],
    ids=[
        "nothing",
        "a pipe",
        "a device",
        "a link",
        "a link above",
        "a huge file",
        "too deep",
        "no list",
        "other things",
    ],
)
def test_what_a_script_leaves_in_the_cache_is_neither_followed_nor_waited_for(
    tmp_path: Path, put: Callable[[Path], object]
) -> None:
    info = tmp_path / "pkgs" / "near-1.0-0" / "info"
    info.mkdir(parents=True)
    (info / "true.json").write_text('{"paths": [{"_path": "lib/libnear.so.1"}], "depends": ["far"]}')
    for name in ("paths.json", "index.json"):
        put(info / name)
    linked = {"bin/program": Linked(needed=("libnear.so.1",))}
    facts = PackageFacts("program", False, 1, depends=("near",), linked=linked)
    assert find_libraries(facts, tmp_path) == Libraries()


def test_a_package_of_the_cache_that_is_as_the_engine_left_it_is_read(tmp_path: Path) -> None:
    info = tmp_path / "pkgs" / "near-1.0-0" / "info"
    info.mkdir(parents=True)
    (info / "paths.json").write_text('{"paths": [{"_path": "lib/libnear.so.1"}]}')
    (info / "index.json").write_text('{"depends": ["far"]}')
    facts = PackageFacts(
        "program", False, 1, depends=("near",), linked={"bin/program": Linked(needed=("libnear.so.1",))}
    )
    assert find_libraries(facts, tmp_path) == Libraries(required={"libnear.so.1": "near"}, unknown=("far",))
