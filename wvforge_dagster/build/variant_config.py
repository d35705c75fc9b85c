"""Variant files as the engine reads them. Imports the engine: for child processes only."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import rattler_build as engine
from rattler_build.jinja_config import JinjaConfig
from rattler_build.tool_config import PlatformConfig

from wvforge_dagster.core.architectures import Architectures
from wvforge_dagster.core.recipe import LEGACY_VARIANT_FILE

_SELECTOR_NAME = re.compile(
    r"linux(32|64)?|osx|win(32|64)?|unix|x86|x86_64|aarch64|arm64|ppc64le|s390x|armv\w+|os|environ|(build|target)_platform"
)


def read_variants(
    paths: Iterable[Path], platform: str, architectures: Mapping[str, Sequence[str]]
) -> engine.VariantConfig:
    """Variant files merged in order; the keys of later ones win, and so do their ``zip_keys``. What forge.yaml declares as
    `architectures` is added to them.

    A file in the format of conda-build (``conda_build_config.yaml``, or another with selectors such as ``# [linux]``, as
    conda-forge's pinning is written) is read as such.
    """
    jinja = JinjaConfig(platform=PlatformConfig(target_platform=platform))
    merged = engine.VariantConfig({})
    for path in paths:
        read = engine.VariantConfig.from_conda_build_config if _is_legacy(path) else _read_plain
        merged = merged.merge(read(path, jinja))
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


def unequal_zip(config: engine.VariantConfig) -> str | None:
    """The first group of ``zip_keys`` whose keys do not have as many values each; the engine says so for every recipe."""
    for group in config.zip_keys or []:
        counts = {key: len(config.get_values(key) or []) for key in group if key in config.keys()}
        if len(set(counts.values())) > 1:
            shown = ", ".join(f"{key} has {count}" for key, count in counts.items())
            return f"zip_keys: keys that go together have as many values each, but {shown}"
    return None


def _read_plain(path: Path, jinja: JinjaConfig) -> engine.VariantConfig:
    return engine.VariantConfig.from_file_with_context(path, jinja)


def _is_legacy(path: Path) -> bool:
    if path.name == LEGACY_VARIANT_FILE:
        return True
    text = path.read_text(encoding="utf-8")
    return any(map(_is_selector, re.findall(r"#\s*\[([^\n]+)\][ \t\r]*$", text, re.MULTILINE)))


def _is_selector(words: str) -> bool:
    """Whether what is in the brackets of a comment asks for a platform or the environment, as conda-build's selectors do."""
    try:
        tree = ast.parse(words.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return any(isinstance(node, ast.Name) and _SELECTOR_NAME.fullmatch(node.id) for node in ast.walk(tree))
