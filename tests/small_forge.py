"""Forges as small as they can be: recipes of shell scripts, built against no channel at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

from wvforge_dagster.build.render import RenderedForge, render_forge
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.forge_file import load_forge
from wvforge_dagster.core.recipe import BrokenRecipe, Output, Recipe
from wvforge_dagster.core.state import Status
from wvforge_dagster.orchestration.evidence import derive_statuses
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk, open_forge
from wvforge_dagster.settings import Settings

PACKAGE = """\
package: {{name: {name}, version: "{version}"}}
build:
  noarch: generic
  script:
    content: |
{script}
about: {{license: MIT}}
"""


class SmallForge:
    """A folder with a forge in it. Recipes may be given as text, or as a script that makes a package."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.configure(channels=[], variants=[])

    def configure(self, **keys: Any) -> None:
        """Write forge.yaml with exactly these keys."""
        self.write("forge.yaml", json.dumps(keys))

    def write(self, path: str, text: str | bytes) -> Path:
        """Write a file of the forge."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else dedent(text).encode())
        return target

    def recipe(self, name: str, text: str | bytes) -> Path:
        """Write ``pkgs/NAME/recipe/recipe.yaml``."""
        return self.write(f"pkgs/{name}/recipe/recipe.yaml", text)

    def package(
        self,
        name: str,
        script: str | None = None,
        *,
        version: str = "1.0",
        host: tuple[str, ...] = (),
        run: tuple[str, ...] = (),
        test: str | None = None,
        more: str = "",
    ) -> Path:
        """Write a recipe whose script makes the package; by default, of one file with its name."""
        script = dedent(script or f"mkdir -p $PREFIX/share\necho {name} > $PREFIX/share/{name}.txt")
        text = PACKAGE.format(name=name, version=version, script=indent(script.strip(), " " * 6))
        if host or run:
            text += f"requirements: {json.dumps({'host': host, 'run': run})}\n"
        if test is not None:
            text += f"tests: {json.dumps([{'script': [test]}])}\n"
        return self.recipe(name, text + dedent(more))

    def edit(self, name: str, old: str, new: str) -> None:
        """Change the recipe of `name`."""
        path = self.root / f"pkgs/{name}/recipe/recipe.yaml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def render(self) -> RenderedForge:
        return render_forge(self.root, load_forge(self.root))

    def rendered(self, name: str) -> Recipe:
        """The recipe of `name`, which has to render."""
        found = self._of(name)
        assert isinstance(found, Recipe), found
        return found

    def output(self, name: str) -> Output:
        """The only output of the recipe of `name`."""
        (found,) = self.rendered(name).outputs
        return found

    def why_broken(self, name: str) -> str:
        found = self._of(name)
        assert isinstance(found, BrokenRecipe), found
        return found.reason

    def _of(self, name: str) -> Recipe | BrokenRecipe:
        return next(recipe for recipe in self.render().recipes if recipe.path.startswith(f"pkgs/{name}/"))

    def open(self, environ: Mapping[str, str] | None = None) -> ForgeOnDisk:
        return open_forge(Settings(forge=self.root, environ=dict(os.environ if environ is None else environ)))

    def status(self, package: str, partition: str = "") -> Status:
        return derive_statuses(self.open())[VariantId(package, partition)]

    def states(self) -> dict[str, str]:
        return {str(identity): status.state.value for identity, status in derive_statuses(self.open()).items()}
