"""Lay an interpreter's files out as a conda prefix, free of where it came from."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from wvforge_dagster.upstream.interpreters import Interpreter

PREFIX_MARK = "/@wvforge-prefix@"
"""Stands in text files where the interpreter's own prefix stood, until the engine's script replaces it."""

_OMITTED_FOLDERS = {
    "site-packages",
    "dist-packages",
    "test",
    "tests",
    "idlelib",
    "turtledemo",
    "__pycache__",
}
_OMITTED_FILES = {"EXTERNALLY-MANAGED", "sitecustomize.py", "usercustomize.py"}
_OMITTED_SUFFIXES = {".a", ".o", ".pyc"}
_TEST_MODULES = ("_test", "_ctypes_test", "xxlimited", "_xxtestfuzz")


@dataclass(frozen=True)
class Unfit:
    """Why an interpreter cannot be repackaged, in one line."""

    reason: str


def lay_out_interpreter(python: Interpreter, tree: Path) -> Unfit | None:
    """Copy what a build needs of an interpreter into ``tree``, and try the copy.

    The standard library without its tests, the headers, the program, its shared library; no installed
    packages. A distribution's patches that install to ``dist-packages`` are taken out of the copy.

    Args:
        python: the interpreter.
        tree: a new folder, laid out as a conda prefix.

    Returns:
        ``None``, or why the copy does not do.
    """
    name = f"python{python.minor}"
    shutil.copytree(python.stdlib, tree / "lib" / name, ignore=_omitted, ignore_dangling_symlinks=True)
    shutil.copytree(python.include, tree / "include" / name)
    (tree / "lib" / name / "site-packages").mkdir()
    (tree / "lib" / name / "site-packages" / "README.txt").write_text("Packages are installed here.\n")
    binaries = tree / "bin"
    binaries.mkdir()
    shutil.copy2(python.executable, binaries / name)
    for link in ("python3", "python"):
        (binaries / link).symlink_to(name)
    config = python.executable.with_name(f"{name}-config")
    if config.is_file():
        shutil.copy2(config, binaries / config.name)
    if python.library is not None:
        _copy_library(python.library, tree / "lib", name)
    _use_upstream_layout(tree / "lib" / name)
    _mark_prefix(tree, python.prefix)
    _strip_debug(tree)
    return _try(python, tree) or _compile(python, tree)


def _omitted(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if _is_omitted(Path(folder, name))}


def _is_omitted(path: Path) -> bool:
    if path.name in _OMITTED_FILES or path.suffix in _OMITTED_SUFFIXES:
        return True
    if path.parent.name == "lib-dynload" and path.name.startswith(_TEST_MODULES):
        return True
    return path.name in _OMITTED_FOLDERS and path.is_dir()


def _copy_library(library: Path, folder: Path, name: str) -> None:
    shutil.copy2(library, folder / library.name)
    link = folder / f"lib{name}.so"
    if not link.exists():
        link.symlink_to(library.name)
    stable = library.with_name("libpython3.so")
    if stable.is_file():
        shutil.copy2(stable, folder / stable.name)


def _use_upstream_layout(stdlib: Path) -> None:
    # Debian and Ubuntu have schemes "posix_local" and "deb_system" beside CPython's own "posix_prefix", and a
    # module site that looks for dist-packages.
    for file in (stdlib / "sysconfig.py", stdlib / "sysconfig" / "__init__.py"):
        if file.is_file():
            text = file.read_text(encoding="utf-8")
            file.write_text(
                re.sub(r"prefix_scheme = '(posix_local|deb_system)'", "prefix_scheme = 'posix_prefix'", text),
                encoding="utf-8",
            )
    # site is compiled into the program, so no change to its copy helps: it finds site-packages by a link.
    if "dist-packages" in (stdlib / "site.py").read_text(encoding="utf-8"):
        (stdlib / "dist-packages").symlink_to("site-packages")


def _mark_prefix(tree: Path, prefix: Path) -> None:
    if prefix in (Path("/usr"), Path("/")):
        # Such a short prefix stands in many places that do not mean the interpreter's own.
        pattern = re.compile(rb"(?<=['\" =])/usr(?=(/(bin|include|lib)(/|['\" ]|$)|['\" ]|$))", re.M)
        folders = [tree / "bin", *(tree / "lib").glob("python*/_sysconfigdata*")]
    else:
        pattern = re.compile(re.escape(str(prefix)).encode())
        folders = [tree]
    for file in _regular_files(folders):
        data = file.read_bytes()
        if b"\0" in data[:4096] or not pattern.search(data):
            continue
        file.write_bytes(pattern.sub(PREFIX_MARK.encode(), data))


def _regular_files(roots: Iterable[Path]) -> Iterable[Path]:
    for root in roots:
        for path in [root] if root.is_file() else root.rglob("*"):
            if path.is_file() and not path.is_symlink():
                yield path


def _strip_debug(tree: Path) -> None:
    strip = shutil.which("strip")
    binaries = [*(tree / "lib").glob("libpython*.so.*"), *(tree / "lib").glob("python*/lib-dynload/*.so")]
    if strip and binaries:
        # Best effort: with its debug symbols a shared libpython is six times as large.
        subprocess.run([strip, "--strip-debug", *map(str, binaries)], capture_output=True, check=False)


def _compile(python: Interpreter, tree: Path) -> Unfit | None:
    # The engine would compile each file in a process of its own. Unchecked, because a package's files may get
    # another time when they are installed. A file with the mark changes on installation, so it is left out.
    command = ["-m", "compileall", "-q", "-x", "_sysconfigdata|lib2to3/tests|bad_coding", "-s", str(tree)]
    command += ["--invalidation-mode", "unchecked-hash", str(tree / "lib" / f"python{python.minor}")]
    done = _run_copy(tree, command)
    return None if done.returncode == 0 else Unfit(f"{python.executable} cannot compile its own library")


def _run_copy(tree: Path, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(tree / "bin" / "python"), "-I", "-B", *arguments],
        env={"PATH": os.environ.get("PATH", "")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def _try(python: Interpreter, tree: Path) -> Unfit | None:
    program = (
        "import json, site, sys, sysconfig, ctypes, hashlib, ssl, zlib; "
        "print(json.dumps([sys.prefix, sysconfig.get_path('purelib'), sysconfig.get_path('include'),"
        " site.getsitepackages()]))"
    )
    done = _run_copy(tree, ["-c", program])
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return Unfit(f"{python.executable} does not run when it is copied ({last[:160]})")
    prefix, packages, include, searched = json.loads(done.stdout)
    wanted = tree / "lib" / f"python{python.minor}" / "site-packages"
    found = [path for path in searched if Path(path).exists()]
    if Path(prefix) != tree or Path(packages) != wanted or not any(wanted.samefile(s) for s in found):
        return Unfit(f"{python.executable} would install packages to {packages} instead of site-packages")
    if Path(include) != tree / "include" / f"python{python.minor}":
        return Unfit(f"{python.executable} would look for its headers in {include}")
    return None
