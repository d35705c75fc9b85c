"""Finding the machine's compilers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from wvforge_dagster.upstream.compilers import find_compiler


def test_the_activation_gives_a_compiler_that_compiles(tmp_path: Path) -> None:
    if not shutil.which("cc"):
        pytest.skip("no C compiler on this machine")
    compiler = find_compiler("c")
    assert compiler is not None
    (tmp_path / "a.c").write_text("int main(void) { return 0; }\n")
    script = f"{compiler.activation()}$CC a.c -o a && ./a"
    subprocess.run(["sh", "-c", script], cwd=tmp_path, check=True)


def test_cc_with_arguments_is_honoured(tmp_path: Path) -> None:
    program = tmp_path / "my cc"
    program.write_text("#!/bin/sh\necho 14.2.0\n")
    program.chmod(0o755)
    found = find_compiler("c", {"CC": f"'{program}' -m64", "PATH": "/usr/bin:/bin"})
    assert found is not None
    assert found.command == (str(program), "-m64")
    assert found.version == "14.2.0"


def test_without_one_there_is_none(tmp_path: Path) -> None:
    assert find_compiler("cxx", {"PATH": str(tmp_path)}) is None
