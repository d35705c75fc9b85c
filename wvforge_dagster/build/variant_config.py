"""Variant files as the engine reads them. Imports the engine: for child processes only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import rattler_build as engine
from rattler_build.jinja_config import JinjaConfig
from rattler_build.tool_config import PlatformConfig

from wvforge_dagster.build.variant_files import is_legacy
from wvforge_dagster.build.words import plain_words
from wvforge_dagster.core.architectures import Architectures


def native(platform: str) -> PlatformConfig:
    """A build for a platform on a machine of that platform: a recipe is to render alike wherever that is done."""
    return PlatformConfig(target_platform=platform, build_platform=platform, host_platform=platform)


class BadVariants(ValueError):
    """A fault of a variant file.

    Attributes:
        path: of the file.
        reason: in one line, without the file.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path.name}: {reason}")
        self.path = path
        self.reason = reason


def read_variants(
    paths: Iterable[Path], platform: str, architectures: Mapping[str, Sequence[str]]
) -> engine.VariantConfig:
    """Variant files merged in order; the keys of later ones win, and so do their ``zip_keys``. What forge.yaml declares as
    `architectures` is added to them.

    A file in the format of conda-build (``conda_build_config.yaml``, or another with selectors such as ``# [linux]``, as
    conda-forge's pinning is written) is read as such.

    Raises:
        BadVariants: if a file cannot be read, or the ``zip_keys`` that count do not fit the keys.
    """
    jinja = JinjaConfig(platform=native(platform))
    merged = engine.VariantConfig({})
    files: list[tuple[Path, engine.VariantConfig]] = []
    for path in paths:
        read = engine.VariantConfig.from_conda_build_config if is_legacy(path) else _read_plain
        try:
            files.append((path, read(path, jinja)))
        except Exception as error:
            raise BadVariants(path, plain_words(error).replace(f"{path}: ", "")) from None
        merged = merged.merge(files[-1][1])
    _check_zip(merged, files)
    return _with_architectures(merged, Architectures.from_json(architectures))


def _with_architectures(config: engine.VariantConfig, declared: Architectures) -> engine.VariantConfig:
    """The variants with the keys of architectures, zipped to ``cuda_version``. One that a variant file gives stays."""
    releases = [str(value) for value in config.get_values("cuda_version") or []]
    if not releases or not declared.lists:
        return config
    added = {key: values for key, values in declared.values(releases).items() if key not in config.keys()}
    groups = [list(group) for group in config.zip_keys or []]
    mine = next((group for group in groups if "cuda_version" in group), None)
    if mine is None:
        groups.append(mine := ["cuda_version"])
    mine += added
    return engine.VariantConfig({**config.to_dict(), **added}, zip_keys=groups)


def _check_zip(merged: engine.VariantConfig, files: list[tuple[Path, engine.VariantConfig]]) -> None:
    """The engine takes a key in two groups for two keys, leaves one out that has no values, and tells unequal lengths of a
    group once for every recipe, without a file."""
    groups = merged.zip_keys or []
    if not groups:
        return
    place = next(path for path, config in reversed(files) if config.zip_keys)
    seen: set[str] = set()
    for group in groups:
        counts = {key: len(merged.get_values(key) or []) for key in group}
        for key in group:
            if key in seen:
                raise BadVariants(place, f"zip_keys: {key} is in two groups; put what goes together into one")
            if not counts[key] and not is_legacy(place):
                raise BadVariants(place, f"zip_keys: {key} has no values in any variant file")
            seen.add(key)
        given = {key: count for key, count in counts.items() if count}
        if len(set(given.values())) > 1:
            from_file = {key: next(path for path, config in reversed(files) if key in config.keys()) for key in given}
            several = len(set(from_file.values())) > 1
            shown = ", ".join(
                f"{key} has {count}" + (f" ({_short(from_file[key], place)})" if several else "")
                for key, count in given.items()
            )
            raise BadVariants(place, f"zip_keys: keys that go together have as many values each, but {shown}")


def _short(path: Path, beside: Path) -> str:
    """A file's name, and its folder where that is another one than that of the file `beside`."""
    return path.name if path.parent == beside.parent else f"{path.parent.name}/{path.name}"


def _read_plain(path: Path, jinja: JinjaConfig) -> engine.VariantConfig:
    return engine.VariantConfig.from_file_with_context(path, jinja)
