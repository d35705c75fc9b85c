"""A forge of four packages in two by two columns. Its recipes need no upstream channel and build in about a second each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

COLUMNS = ("13.0|3.12", "13.0|3.13", "13.2|3.12", "13.2|3.13")

LIB_A = """\
package: {name: lib-a, version: "1.0"}
build: {noarch: generic, script: ["mkdir -p $PREFIX/share", "echo a > $PREFIX/share/a.txt"]}
tests: [{script: ["test -f $PREFIX/share/a.txt"]}]
about: {summary: The base of everything, license: MIT, homepage: "https://example.org"}
extra: {recipe-maintainers: [alice]}
"""

CU_B = """\
package: {name: cu-b, version: "2.0"}
build:
  variant: {use_keys: [cuda_version, python]}
  script:
    - mkdir -p $PREFIX/share
    - cat $PREFIX/share/a.txt > $PREFIX/share/b.txt
    - echo ${{ cuda_version }} ${{ python }} >> $PREFIX/share/b.txt
requirements: {host: [lib-a], run: [lib-a]}
tests: [{script: ["test -f $PREFIX/share/b.txt"]}]
"""

CU_C = """\
package: {name: cu-c, version: "2.0"}
build:
  variant: {use_keys: [cuda_version, python]}
  script: ["mkdir -p $PREFIX/share", "cat $PREFIX/share/b.txt > $PREFIX/share/c.txt"]
requirements: {host: [cu-b], run: [cu-b]}
tests: [{script: ["test -f $PREFIX/share/c.txt"]}]
"""

TOP = """\
package: {name: top, version: "3.1"}
build: {noarch: generic, script: ["mkdir -p $PREFIX/share", "echo t > $PREFIX/share/t.txt"]}
requirements: {run: [cu-c]}
tests: [{script: ["test -f $PREFIX/share/c.txt"]}]
"""

RECIPES = {"lib-a": LIB_A, "cu-b": CU_B, "cu-c": CU_C, "top": TOP}


@dataclass(frozen=True)
class SmallForge:
    """A forge that tests may change."""

    root: Path

    def recipe(self, package: str) -> Path:
        return self.root / "pkgs" / package / "recipe" / "recipe.yaml"

    def write(self, package: str, recipe: str) -> None:
        """Set the recipe of a package; a new package if there is none of that name."""
        self.recipe(package).parent.mkdir(parents=True, exist_ok=True)
        self.recipe(package).write_text(recipe, encoding="utf-8")

    def mend(self, package: str, old: str, new: str) -> None:
        """Replace a part of a recipe."""
        text = self.recipe(package).read_text(encoding="utf-8")
        assert old in text, f"{self.recipe(package)} holds no {old!r}"
        self.write(package, text.replace(old, new))


def make_small_forge(root: Path) -> SmallForge:
    """Write the forge into a new folder."""
    root.mkdir(parents=True)
    (root / "forge.yaml").write_text("channels: []\n", encoding="utf-8")
    (root / "variants.yaml").write_text('python: ["3.12", "3.13"]\ncuda_version: ["13.0", "13.2"]\n', encoding="utf-8")
    forge = SmallForge(root)
    for package, recipe in RECIPES.items():
        forge.write(package, recipe)
    return forge
