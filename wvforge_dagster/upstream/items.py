"""Turn a manifest into the list of what has to be made: one item for each package and each source archive."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wvforge_dagster.upstream.manifest import Pinned, Tree, UpstreamManifest, Wheel
from wvforge_dagster.upstream.records import entry_digest
from wvforge_dagster.upstream.report import MissingPackage
from wvforge_dagster.upstream.tags import fits_machine


@dataclass(frozen=True)
class InterpreterItem:
    """The package ``python`` of one version, and the name of its record."""

    version: str
    key: str
    digest: str


@dataclass(frozen=True)
class AbiItem:
    """The package ``python_abi`` that goes with an interpreter."""

    version: str
    key: str
    digest: str


@dataclass(frozen=True)
class CompilerItem:
    """The thin package for the machine's compiler of one language."""

    name: str
    language: str
    key: str
    digest: str


@dataclass(frozen=True)
class WheelItem:
    """One file of a wheel entry."""

    entry: Wheel
    file: str
    key: str
    digest: str


@dataclass(frozen=True)
class TreeItem:
    """A tree entry with the files of its wheels that fit the machine."""

    entry: Tree
    files: tuple[str, ...]
    key: str
    digest: str


PackageItem = InterpreterItem | AbiItem | CompilerItem | WheelItem | TreeItem


@dataclass(frozen=True)
class SourceItem:
    """One source archive."""

    entry: Pinned
    file: str


@dataclass(frozen=True)
class Plan:
    """Everything that a manifest asks for on this machine.

    Args:
        packages: packages to be made, those that take longest first.
        sources: source archives to be fetched.
        missing: packages without a file for this machine.
    """

    packages: tuple[PackageItem, ...]
    sources: tuple[SourceItem, ...]
    missing: tuple[MissingPackage, ...]


def plan(manifest: UpstreamManifest, subdir: str) -> Plan:
    """What has to be made of a manifest for a platform.

    Args:
        manifest: the manifest.
        subdir: conda platform of this machine.
    """
    packages: list[PackageItem] = []
    missing: list[MissingPackage] = []
    for version in manifest.interpreters:
        digest = entry_digest("interpreter", version, subdir)
        packages.append(InterpreterItem(version, f"python-{version}", digest))
    for tree in manifest.trees:
        files = [[file for file in wheel.sha256 if fits_machine(file)] for wheel in tree.wheels]
        if all(files):
            chosen = tuple(fitting[0] for fitting in files)
            digest = entry_digest("tree", tree.model_dump(mode="json"), chosen, subdir)
            packages.append(TreeItem(tree, chosen, f"{tree.name}-{tree.version}", digest))
        else:
            missing.append(_no_file(tree.name, tree.version, subdir))
    for wheel in manifest.wheels:
        fitting = [file for file in wheel.sha256 if fits_machine(file)]
        for file in fitting:
            digest = entry_digest("wheel", wheel.model_dump(mode="json"), file, subdir)
            packages.append(WheelItem(wheel, file, file.removesuffix(".whl"), digest))
        if not fitting:
            name, version = wheel.pip.split("==")
            missing.append(_no_file(wheel.name or re.sub(r"[-_.]+", "-", name).lower(), version, subdir))
    compilers = {"c": manifest.compilers.c, "cxx": manifest.compilers.cxx}
    for language, compiler in compilers.items():
        if compiler is not None:
            digest = entry_digest("compiler", compiler, language, subdir)
            packages.append(CompilerItem(compiler, language, compiler, digest))
    for version in manifest.interpreters:
        packages.append(AbiItem(version, f"python_abi-{version}", entry_digest("abi", version)))
    sources = tuple(SourceItem(source, file) for source in manifest.sources for file in source.sha256)
    return Plan(tuple(packages), sources, tuple(missing))


def _no_file(name: str, version: str, subdir: str) -> MissingPackage:
    return MissingPackage(name, f"=={version}", f"the manifest lists no file of it for {subdir}")
