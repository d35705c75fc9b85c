"""Forges of any size, for the benchmarks: recipes as small as recipes are, with what makes a forge of a real one."""

from __future__ import annotations

from pathlib import Path

PLAIN = """\
package: {{name: tiny-{i}, version: "1.0"}}
build: {{noarch: generic, script: ["mkdir -p $PREFIX/share", "echo {i} > $PREFIX/share/tiny-{i}"]}}
tests: [{{script: ["test -f $PREFIX/share/tiny-{i}"]}}]
"""

IN_COLUMNS = """\
package: {{name: pkg-{i}, version: "1.0"}}
build: {{script: ["mkdir -p $PREFIX/share", "echo {i} > $PREFIX/share/pkg-{i}"]}}
requirements:
  host: [python, cuda-version{needs}]
  run: [python, cuda-version]
tests: [{{script: ["test -f $PREFIX/share/pkg-{i}"]}}]
about: {{summary: Package {i}, license: MIT}}
extra: {{recipe-maintainers: [somebody]}}
"""

VARIANTS = """\
python: ["3.11.*", "3.12.*", "3.13.*"]
cuda_version: ["12.8", "13.0"]
"""


def plain_forge(root: Path, count: int) -> Path:
    """A forge of `count` recipes without variants, each with a test, that need nothing."""
    for i in range(count):
        _write(root, f"tiny-{i}", PLAIN.format(i=i))
    (root / "forge.yaml").write_text("channels: []\nvariants: []\n")
    return root


def forge_in_columns(root: Path, count: int) -> Path:
    """A forge of `count` recipes in three Pythons and two CUDAs: six variants each, built against each other ten to one."""
    for i in range(count):
        _write(root, f"pkg-{i}", IN_COLUMNS.format(i=i, needs=f", pkg-{(i - 1) // 10}" if i else ""))
    (root / "variants.yaml").write_text(VARIANTS)
    (root / "forge.yaml").write_text("channels: []\n")
    return root


def _write(root: Path, name: str, recipe: str) -> None:
    path = root / "pkgs" / name / "recipe" / "recipe.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(recipe)
