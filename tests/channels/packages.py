"""Real packages, as small as they can be, made by the engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rattler_build import Stage0Recipe, ToolConfiguration

from wvforge_dagster.core.package_file import PackageFile


def make_package(
    folder: Path,
    name: str,
    *,
    version: str = "1.0",
    number: int = 0,
    content: str = "content",
    provenance: dict[str, Any] | None = None,
    subdir: str = "noarch",
    requirements: dict[str, Any] | None = None,
) -> PackageFile:
    """Build a package with one file of `content`. Two calls give two sha256 values: the archive holds the time."""
    work = folder / "recipes" / name
    work.mkdir(parents=True, exist_ok=True)
    recipe: dict[str, Any] = {
        "package": {"name": name, "version": version},
        "build": {
            "number": number,
            "script": f"mkdir -p $PREFIX/share && echo {content} > $PREFIX/share/{name}.txt",
        },
        "about": {"license": "MIT"},
    }
    if subdir == "noarch":
        recipe["build"]["noarch"] = "generic"
    if requirements is not None:
        recipe["requirements"] = requirements
    if provenance is not None:
        recipe["extra"] = {"wvforge": provenance}
    (built,) = Stage0Recipe.from_dict(recipe, recipe_dir=work).run_build(
        output_dir=folder / "built", channels=[], tool_config=ToolConfiguration(test_strategy="skip")
    )
    return PackageFile.read(Path(built.packages[0]), built.platform if subdir != "noarch" else "noarch")
