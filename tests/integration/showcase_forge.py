"""A forge in the middle of a CUDA migration, built for real: what the README's pictures of the report show.

Its recipes are shell scripts and need no upstream channel. In the new column one package fails, and one needs what no
channel has; afterwards a recipe is changed, so that there is something of every state.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from integration.commands import run

COLUMNS = {"cuda_version": ["13.0", "13.2"], "python": ["3.12", "3.13"]}
NEW = "13.2"


@dataclass(frozen=True)
class _Recipe:
    """A recipe: its variant keys, what it needs, how long its script works, and what it adds to the script."""

    version: str
    keys: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    seconds: float = 0.2
    kilobytes: int = 4
    script: str = ""
    host: str = ""
    skip: str = ""
    summary: str = ""


_BOTH = ("cuda_version", "python")
RECIPES = {
    "kernel-headers": _Recipe("1.4.0", summary="Headers that all kernels share."),
    "build-tools": _Recipe("2.1", summary="Build steps in one place."),
    "cu-core": _Recipe(
        "0.7.11", ("cuda_version",), ("kernel-headers",), 1.5, 900, summary="Containers and memory on the GPU."
    ),
    "py-grid": _Recipe("3.0.2", ("python",), ("build-tools",), 0.4, 60, summary="Grids and their indices."),
    "tensor-kit": _Recipe(
        "2.9.1", _BOTH, ("cu-core", "py-grid"), 1.2, 700, summary="Sparse tensors on top of cu-core."
    ),
    "point-ops": _Recipe(
        "1.6.1",
        _BOTH,
        ("cu-core",),
        0.6,
        300,
        script=f'if [ "${{{{ cuda_version }}}}" = "{NEW}" ]; then echo "ops.cu(88): error: no member thrust::unary_function"; '
        "exit 1; fi",
        summary="Neighbours, sampling and grouping of points.",
    ),
    "mesh-render": _Recipe("0.9.0", _BOTH, ("tensor-kit",), 0.5, 250, summary="Rasterizes meshes."),
    "flow-net": _Recipe(
        "1.2.0",
        _BOTH,
        ("tensor-kit",),
        0.3,
        80,
        host=f"if: cuda_version == '{NEW}'\n      then: nccl-runtime >=2.28",
        summary="Optical flow.",
    ),
    "lidar-lab": _Recipe("4.1", _BOTH, ("point-ops",), 0.2, 40, skip="cuda_version == '13.0'", summary="Lidar scans."),
    "scene-models": _Recipe("2.0.0", _BOTH, ("mesh-render", "point-ops"), 0.3, 120, summary="Models of whole scenes."),
}


def make_showcase_forge(root: Path) -> None:
    """Write the forge into a new folder, build it, and change one recipe."""
    root.mkdir(parents=True)
    (root / "forge.yaml").write_text("channels: []\n", encoding="utf-8")
    (root / "variants.yaml").write_text(json.dumps(COLUMNS), encoding="utf-8")
    for name, recipe in RECIPES.items():
        write_recipe(root, name, recipe)
    done = run("wvforge", "--forge", str(root), "build", "--jobs", "2", seconds=600)
    # Some of it cannot be built; what can be, is.
    assert done.returncode == 1, done.stdout
    path = root / "pkgs" / "mesh-render" / "recipe" / "recipe.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace('"0.9.0"', '"0.9.1"'), encoding="utf-8")


def showcase_in_words() -> str:
    """What the pictures show, in a form that can be compared: the columns, and each package with what it needs."""
    columns = " x ".join(f"{key} {' '.join(values)}" for key, values in COLUMNS.items())
    return "\n".join(
        [columns, *(f"{name} <- {' '.join(recipe.needs)}".rstrip(" <-") for name, recipe in RECIPES.items())]
    )


def write_recipe(root: Path, name: str, recipe: _Recipe) -> None:
    script = [
        f"sleep {recipe.seconds}",
        *([recipe.script] if recipe.script else []),
        "mkdir -p $PREFIX/share",
        f"head -c {recipe.kilobytes}000 /dev/urandom > $PREFIX/share/{name}.bin",
    ]
    lines = [
        f'package: {{name: {name}, version: "{recipe.version}"}}',
        "build:",
        f"  script: {json.dumps(script)}",
        *(["  noarch: generic"] if not recipe.keys else [f"  variant: {{use_keys: {json.dumps(recipe.keys)}}}"]),
        *([f'  skip: ["{recipe.skip}"]'] if recipe.skip else []),
        "requirements:",
        "  host:",
        *(f"    - {other}" for other in recipe.needs),
        *([f"    - {recipe.host}"] if recipe.host else []),
        "  run:",
        *(f"    - {other}" for other in recipe.needs),
        f'tests: [{{script: ["test -s $PREFIX/share/{name}.bin"]}}]',
        f"about: {{summary: {json.dumps(recipe.summary)}, license: MIT}}",
    ]
    if not recipe.needs and not recipe.host:
        lines = [line for line in lines if line not in ("requirements:", "  host:", "  run:")]
    folder = root / "pkgs" / name / "recipe"
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
