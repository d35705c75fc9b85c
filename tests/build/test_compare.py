"""What differs between two builds of a package, and the likely reason."""

from __future__ import annotations

import os
import py_compile
from pathlib import Path

import pytest

from build.places import Builder
from wvforge_dagster.build.compare import compare_packages
from wvforge_dagster.build.irreproducible import likely_reason


def test_modes_links_and_metadata_are_listed_apart_from_contents(builder: Builder, tmp_path: Path) -> None:
    script = "mkdir -p $PREFIX/bin\necho a > $PREFIX/bin/a\nln -s a $PREFIX/bin/b\necho c > $PREFIX/bin/c"
    builder.forge.package("a", script)
    builder.forge.edit("a", "noarch: generic", "number: 0")
    old = builder.build("a")
    other = script.replace("ln -s a", "chmod +x $PREFIX/bin/a\nln -s c").replace("echo c", "echo d")
    builder.forge.package("a", other, run=("new >=1",))
    builder.forge.edit("a", "noarch: generic", "number: 0")
    builder.forge.edit("a", "license: MIT", "license: Apache-2.0")
    new = builder.build("a")
    found = compare_packages(old.file.path, new.file.path, tmp_path / "compared")
    assert not found.equal
    assert [file.path for file in found.files] == ["bin/c"]
    assert [line.split(":")[0] for line in found.modes] == ["bin/a", "bin/b"]
    assert found.modes[1] == "bin/b: link to a -> link to c"
    assert found.metadata == (
        "index.json: depends: + new >=1",
        'index.json: license: "MIT" -> "Apache-2.0"',
        'about.json: license: "MIT" -> "Apache-2.0"',
    )


def test_two_builds_of_the_same_are_equal(builder: Builder, tmp_path: Path) -> None:
    builder.forge.package("a")
    one, other = builder.build("a"), builder.build("a")
    assert one.file.sha256 != other.file.sha256
    found = compare_packages(one.file.path, other.file.path, tmp_path / "compared")
    assert (found.equal, found.count) == (True, 1)


ENVIRONMENT = b"SHLVL=%s\nHOME=/home/a/work\nPATH=/home/a/bin\nRANDOM=%s\nSRC_DIR=/home/a/work/src\n"


@pytest.mark.parametrize(
    ("path", "old", "new", "reason"),
    [
        ("a.txt", b"built 2026-01-02", b"built 2026-01-03", "it holds a date or a time"),
        ("a.h", b'#define AT "Nov 24 2026"', b'#define AT "Nov 25 2026"', "it holds a date or a time"),
        ("a.so", b"x" * 99 + b"/home/a/src\0" + b"y" * 9, b"x" * 99 + b"/home/b/src\0" + b"y" * 9, "it holds a path"),
        ("a.a", b"1", b"2", "an archive"),
        ("list", b"a\nb\n", b"b\na\n", "the same lines in another order"),
        ("a.bin", b"\x01" * 50, b"\x02" * 50, ""),
        ("a.txt", b"", b"new", ""),
        (
            "env",
            ENVIRONMENT % (b"3", b"9"),
            ENVIRONMENT % (b"4", b"8"),
            "it holds environment variables of the build, and these differ: RANDOM, SHLVL",
        ),
        ("a.txt", b"1\nroot: /home/a/src\n2\n", b"3\nroot: /home/a/src\n4\n", ""),
        ("a.txt", b"2026-01-02" + b" " * 200 + b"a", b"2026-01-02" + b" " * 200 + b"b", ""),
    ],
)
def test_the_likely_reason_is_told_by_what_differs(path: str, old: bytes, new: bytes, reason: str) -> None:
    found = likely_reason(path, old, new)
    assert found.startswith(reason)
    assert bool(found) == bool(reason)


def test_bytecode_that_differs_by_the_time_of_its_source_is_told(tmp_path: Path) -> None:
    source = tmp_path / "a.py"
    compiled = []
    for text, time in (("a = 1", 1_700_000_000), ("a = 1", 1_700_000_009), ("a = 2", 1_700_000_009)):
        source.write_text(text)
        os.utime(source, (time, time))
        target = py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP)
        assert target is not None
        compiled.append(Path(target).read_bytes())
    assert "holds the time of its source" in likely_reason("a.pyc", compiled[0], compiled[1])
    assert "of a source that differs" in likely_reason("a.pyc", compiled[1], compiled[2])
