"""What the engine itself renders from the files of a forge, without this project's way of reading them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import rattler_build as engine
from rattler_build.tool_config import PlatformConfig

Variant = tuple[str, str, str, tuple[tuple[str, str], ...]]
"""An output's name and version, its build string, and the values of the keys that it uses."""


def engine_variants(recipe: Path, variant_files: Iterable[Path], platform: str) -> set[Variant]:
    """Every output of a recipe in every variant. Files whose name ends in ``_config.yaml`` are written as conda-build's."""
    where = PlatformConfig(target_platform=platform, build_platform=platform, host_platform=platform)
    jinja = engine.JinjaConfig(platform=where)
    config = engine.VariantConfig({})
    for path in variant_files:
        is_legacy = path.name.endswith("_config.yaml")
        read = (
            engine.VariantConfig.from_conda_build_config if is_legacy else engine.VariantConfig.from_file_with_context
        )
        config = config.merge(read(path, jinja))
    rendered = engine.Stage0Recipe.from_file(recipe).render(config, engine.RenderConfig(platform=where))
    return {
        (
            found.recipe.package.name,
            str(found.recipe.package.version),
            str(found.recipe.build.string),
            tuple(sorted((key, str(value)) for key, value in found.variant.items() if key != "target_platform")),
        )
        for found in rendered
    }
