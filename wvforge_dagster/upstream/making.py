"""Make the package of one item: fetch what it needs, lay it out, hand it to whl2conda or the engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wvforge_dagster.upstream.compilers import find_compiler
from wvforge_dagster.upstream.engine import PackageHead, pack, repackage
from wvforge_dagster.upstream.fetch import fetch
from wvforge_dagster.upstream.interpreter_tree import lay_out_interpreter
from wvforge_dagster.upstream.interpreters import NoInterpreter, find_interpreter
from wvforge_dagster.upstream.items import (
    AbiItem,
    CompilerItem,
    InterpreterItem,
    PackageItem,
    TreeItem,
    WheelItem,
)
from wvforge_dagster.upstream.report import MissingPackage
from wvforge_dagster.upstream.trees import lay_out_tree
from wvforge_dagster.upstream.wheels import convert_wheel


@dataclass(frozen=True)
class Made:
    """A finished package file and the platform it is for."""

    file: Path
    subdir: str


def make(item: PackageItem, downloads: Path, work: Path, subdir: str) -> Made | MissingPackage:
    """Make one package.

    Args:
        item: what to make.
        downloads: folder of fetched files, kept for other items.
        work: a new folder for this item alone.
        subdir: conda platform of this machine.

    Raises:
        ForgeError: something could not be fetched, converted or packed.
    """
    out = work / "out"
    out.mkdir()
    match item:
        case InterpreterItem():
            return _interpreter(item, work, out, subdir)
        case AbiItem():
            return _abi(item, work, out)
        case CompilerItem():
            return _compiler(item, work, out, subdir)
        case WheelItem():
            return Made(*convert_wheel(item.entry, fetch(item.entry, item.file, downloads), out))
        case TreeItem():
            return _tree(item, downloads, work, out, subdir)


def _interpreter(item: InterpreterItem, work: Path, out: Path, subdir: str) -> Made | MissingPackage:
    python = find_interpreter(item.version)
    if isinstance(python, NoInterpreter):
        return MissingPackage("python", f"{item.version}.*", python.reason)
    unfit = lay_out_interpreter(python, work / "tree")
    if unfit is not None:
        return MissingPackage("python", f"{item.version}.*", unfit.reason)
    return Made(repackage(python, work / "tree", out), subdir)


def _abi(item: AbiItem, work: Path, out: Path) -> Made:
    (work / "tree").mkdir()
    head = PackageHead(
        name="python_abi",
        version=item.version,
        build=f"1_cp{item.version.replace('.', '')}",
        subdir="noarch",
        constrains=(f"python {item.version}.*",),
        license="BSD-3-Clause",
        summary="Ties compiled packages to the binary interface of a Python version",
    )
    return Made(pack(head, work / "tree", work / "licenses", out), "noarch")


def _compiler(item: CompilerItem, work: Path, out: Path, subdir: str) -> Made | MissingPackage:
    compiler = find_compiler(item.language)
    if compiler is None:
        wanted = {"c": "C", "cxx": "C++"}[item.language]
        return MissingPackage(item.name, "*", f"no {wanted} compiler on this machine (looked on the path)")
    script = work / "tree" / "etc" / "conda" / "activate.d" / f"{item.name}.sh"
    script.parent.mkdir(parents=True)
    script.write_text(compiler.activation(), encoding="utf-8")
    summary = f"The compiler {compiler.command[0]} of this machine"
    head = PackageHead(item.name, compiler.version, "0", subdir, summary=summary)
    return Made(pack(head, work / "tree", work / "licenses", out), subdir)


def _tree(item: TreeItem, downloads: Path, work: Path, out: Path, subdir: str) -> Made:
    entry = item.entry
    wheels = [fetch(pinned, file, downloads) for pinned, file in zip(entry.wheels, item.files, strict=True)]
    lay_out_tree(entry, wheels, work / "tree", work / "licenses")
    head = PackageHead(
        name=entry.name,
        version=entry.version,
        build="0",
        subdir="noarch" if entry.noarch else subdir,
        depends=entry.run,
        constrains=entry.constrains,
        license=entry.license,
        summary=entry.summary,
    )
    return Made(pack(head, work / "tree", work / "licenses", out), head.subdir)
