"""The compiler cache, with the real sccache and the machine's C compiler, started as conda's compiler packages have it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from orchestration.making import make, why_not_made
from small_forge import SmallForge

from build.places import supervisors
from wvforge_dagster.build.compiler_cache import CacheUse, find_compiler_cache
from wvforge_dagster.build.inspect import read_package
from wvforge_dagster.build.script_environment import ACTIVATION, write_activation
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.orchestration.made import Made
from wvforge_dagster.orchestration.metadata import made_metadata
from wvforge_dagster.orchestration.rebuild_check import rebuild_check

COMPILER = """
mkdir -p $PREFIX/etc/conda/activate.d
echo 'export CC=/usr/bin/gcc' > $PREFIX/etc/conda/activate.d/compiler.sh
"""

SCRIPT = """
echo "#define PLACE \\"$PREFIX/share\\"" > config.h
printf '#include "config.h"\\nconst char *place = PLACE;\\n' > place.c
printf '#include <stdio.h>\\nint main(void) { return puts("same"); }\\n' > same.c
for name in place same; do "$CC" -c $name.c -o $name.o; done
mkdir -p $PREFIX/share && cp *.o $PREFIX/share
"""


def forge_with_cache(forge: SmallForge, **keys: object) -> None:
    forge.configure(channels=[], variants=[], **{"compiler-cache": {"size_gib": 1}}, **keys)


def compiling(forge: SmallForge, *names: str, **keys: object) -> None:
    """A compiler, and packages that compile the same two files with it: one that names their prefix, and one that does not."""
    forge_with_cache(forge, **keys)
    forge.package("compiler", COMPILER)
    make(forge, "compiler")
    for name in names:
        forge.package(name, SCRIPT)
        forge.edit(name, "about:", "requirements: {build: [compiler]}\nabout:")


def files(forge: SmallForge, made: Made, *names: str) -> dict[str, bytes]:
    """Files of the package that was made."""
    (artifact,) = made.artifacts
    return read_package(forge.root / "output/staging" / artifact.subdir / artifact.filename, names)


@pytest.mark.parametrize(
    "keys", [{}, {"network": False}, {"isolation": "off"}], ids=["sandbox", "no-network", "no-sandbox"]
)
def test_what_was_compiled_before_is_found_again_and_nothing_of_the_cache_is_left(
    small_forge: SmallForge, keys: dict[str, object]
) -> None:
    compiling(small_forge, "a", **keys)
    first, second = make(small_forge, "a"), make(small_forge, "a", force=True)
    assert (first.cache_use, second.cache_use) == (CacheUse(0, 2, 0), CacheUse(2, 0, 0))
    assert "came out equal" in second.outcome
    assert made_metadata(second, {})["compiler cache: hits"] == 2
    assert second.log is not None
    assert "compiler cache: 2 hits, 0 misses, 0 not to be cached" in second.log.read_text()
    # The server ended with its build.
    assert supervisors() == []
    sockets = Path("/proc/net/unix").read_text()
    assert str(small_forge.root) not in sockets
    path = small_forge.root / "output/staging" / first.artifacts[0].subdir / first.artifacts[0].filename
    unpacked = small_forge.root / "unpacked"
    program = "import sys; from conda_package_streaming.extract import extract; extract(*sys.argv[1:])"
    subprocess.run([sys.executable, "-c", program, str(path), str(unpacked)], check=True)
    for file in unpacked.rglob("*"):
        if file.is_file():
            assert b"bin/sccache" not in file.read_bytes(), file
            assert b"libexec/wvforge" not in file.read_bytes(), file
    assert first.artifacts[0].record is not None
    assert first.artifacts[0].record.recorded["compiler cache"] == "sccache"
    # It is no input: without it, everything is as it was.
    small_forge.configure(channels=[], variants=[])
    assert small_forge.status("a").state.value == "staged"


def test_builds_share_what_is_the_same_and_never_another_ones_paths(small_forge: SmallForge) -> None:
    """With SCCACHE_BASEDIRS, b would be given the object in which a's prefix stands."""
    compiling(small_forge, "a", "b")
    make(small_forge, "a")
    made = make(small_forge, "b")
    assert made.cache_use == CacheUse(1, 1, 0)
    found = files(small_forge, made, "share/place.o")["share/place.o"]
    assert b"work/b/all" in found
    assert b"work/a/all" not in found


def test_a_rebuild_check_compiles_anew(small_forge: SmallForge) -> None:
    compiling(small_forge, "a")
    make(small_forge, "a")
    lines: list[str] = []
    rebuild_check(small_forge.open(), VariantId("a"), lambda level, line: lines.append(line))
    assert any("cp place.o same.o" in line for line in lines)
    assert not any("compiler cache:" in line for line in lines)


def test_a_build_that_starts_no_compiler_has_no_use_of_it(small_forge: SmallForge) -> None:
    forge_with_cache(small_forge)
    small_forge.package("a")
    assert make(small_forge, "a").cache_use == CacheUse()


def test_a_cache_without_its_program_is_one_line_and_no_failure_of_the_package(
    small_forge: SmallForge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forge_with_cache(small_forge)
    small_forge.package("a")
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", str(tmp_path / "python"))
        patched.setenv("PATH", str(tmp_path))
        with pytest.raises(OSError, match="there is no sccache on this machine"):
            find_compiler_cache()
    monkeypatch.setattr("wvforge_dagster.build.compiler_cache.PROGRAM", "sccache-that-is-not-there")
    said = str(why_not_made(small_forge, "a"))
    assert said.startswith(f"{small_forge.root}/forge.yaml: compiler-cache: there is no sccache-that-is-not-there")
    assert said.endswith("install the package sccache, or remove the key")
    assert small_forge.status("a").state.value == "missing"


def activated(environment: Path, **variables: str) -> dict[str, str]:
    """The variables of a shell in which a build environment was activated."""
    script = environment / "etc/conda/activate.d" / ACTIVATION
    command = ["bash", "-euc", f". {script}; env -0"]
    base = {"PATH": os.environ["PATH"], "CONDA_PREFIX": str(environment), **variables}
    done = subprocess.run(command, env=base, capture_output=True, text=True, check=True)
    return dict(item.split("=", 1) for item in done.stdout.split("\0") if item)


def test_cmake_is_told_of_the_cache_by_its_launchers_and_others_by_their_compilers(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    write_activation(tmp_path, {}, cache="/cache")
    without = activated(tmp_path, CC="/usr/bin/gcc", CXX="g++ -m64")
    assert without["CC"] == str(tmp_path / "libexec/wvforge/gcc")
    assert Path(without["CC"]).read_text() == '#!/bin/sh\nexec "/cache" "/usr/bin/gcc" "$@"\n'
    # What is more than a program stays.
    assert without["CXX"] == "g++ -m64"
    assert not [name for name in without if name.startswith(("CMAKE", "WVFORGE", "_wv"))]
    (tmp_path / "bin/cmake").touch()
    write_activation(tmp_path, {}, cache="/cache")
    with_cmake = activated(tmp_path, CC="/usr/bin/gcc")
    assert with_cmake["CC"] == "/usr/bin/gcc"
    assert [with_cmake[f"CMAKE_{name}_COMPILER_LAUNCHER"] for name in ("C", "CXX", "CUDA")] == ["/cache"] * 3


def test_what_a_recipe_says_of_its_cores_stands(tmp_path: Path) -> None:
    write_activation(tmp_path, {"MAX_JOBS": "3", "CMAKE_BUILD_PARALLEL_LEVEL": "3"})
    found = activated(tmp_path, MAX_JOBS="1")
    assert (found["MAX_JOBS"], found["CMAKE_BUILD_PARALLEL_LEVEL"]) == ("1", "3")


def test_a_build_that_fails_says_what_the_cache_was_good_for_and_leaves_nothing_behind(small_forge: SmallForge) -> None:
    compiling(small_forge, "a")
    small_forge.edit("a", "mkdir -p $PREFIX/share && cp", "exit 3; cp")
    failed = why_not_made(small_forge, "a")
    assert failed.failure.log is not None
    log = small_forge.root / "output" / failed.failure.log
    assert "compiler cache: 0 hits, 2 misses" in log.read_text()
    assert supervisors() == []
