"""Variant files out of packages of the upstream channels, such as conda-forge's pinning: brought once, then read from there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wvforge_dagster.build.process import ChildLimits, run_child
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.forge import CONFIG_NAME, Forge, VariantFile

LIMITS = ChildLimits(seconds=90.0)


def bring_variant_packages(root: Path, forge: Forge, channels: Sequence[str]) -> None:
    """See that the variant files that forge.yaml takes out of packages lie in the output folder.

    A version of a package never changes; one that is there is not asked for again, so that the forge loads without a network.

    Args:
        channels: the upstream channels, in order of priority.

    Raises:
        ForgeError: if a package cannot be had, or does not hold the file.
    """
    for position, entry in enumerate(forge.variants):
        if entry.package is not None and not (root / entry.path_in(forge.output)).is_file():
            where = f"{root / CONFIG_NAME}: variants.{position}"
            _bring(entry, root / entry.folder_in(forge.output), root / forge.output / "cache", channels, where)


def _bring(entry: VariantFile, target: Path, cache: Path, channels: Sequence[str], where: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    answers: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix=".bring-", dir=target.parent) as name:
        unpacked = Path(name) / "package"
        result = run_child(
            "wvforge_dagster.build.variant_package_worker",
            {
                "name": entry.package,
                "version": entry.version,
                "channels": list(channels),
                "folder": str(unpacked),
            },
            answers.append,
            limits=LIMITS,
            folder=Path(name),
            environment={"RATTLER_CACHE_DIR": str(cache / "engine")},
        )
        what = f"{entry.package} {entry.version}"
        if not answers:
            words = (result.stderr.strip().splitlines() or [f"exit status {result.exit_status}"])[-1]
            raise ForgeError(f"{what} cannot be fetched: {words[:300]}", where=where)
        if answers[0]["event"] == "failed":
            raise ForgeError(f"{what} cannot be fetched: {answers[0]['words']}", where=where)
        if answers[0]["event"] == "absent":
            words = f"{what} is in no upstream channel ({', '.join(channels) or 'there are none'})"
            raise ForgeError(words, where=where, remedy="name a version that is there")
        file = unpacked / entry.file
        if not file.is_file() or not file.resolve().is_relative_to(unpacked.resolve()):
            raise ForgeError(f"{what} has no file {entry.file}", where=where, remedy="name another with `file`")
        kept = Path(name) / "kept"
        shutil.copyfile(file, kept)
        (target / entry.file).parent.mkdir(parents=True, exist_ok=True)
        kept.replace(target / entry.file)
