"""Platforms, and how packages of several are told apart.

The packages of the first platform of forge.yaml have their plain names. Those of a further one have its name before theirs, as
in a channel: ``linux-aarch64/cumm``. A noarch package is one package for all of them, and belongs to the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from wvforge_dagster.core.recipe import BrokenRecipe, Recipe

NOARCH = "noarch"

PLATFORMS = (
    "emscripten-wasm32",
    "freebsd-64",
    "linux-32",
    "linux-64",
    "linux-aarch64",
    "linux-armv6l",
    "linux-armv7l",
    "linux-loong64",
    "linux-ppc",
    "linux-ppc64",
    "linux-ppc64le",
    "linux-riscv32",
    "linux-riscv64",
    "linux-s390x",
    "osx-64",
    "osx-arm64",
    "wasi-wasm32",
    "win-32",
    "win-64",
    "win-arm64",
    "zos-z",
)
"""The names of platforms in conda's channels, as rattler has them, without `NOARCH`."""


def package_name(name: str, subdir: str, home: str) -> str:
    """The name in the forge of the package `name` of a channel's platform folder.

    Args:
        home: the forge's first platform.
    """
    return name if subdir in (NOARCH, home) else f"{subdir}/{name}"


def plain_name(package: str) -> str:
    """The name of a package without its platform."""
    return package.rpartition("/")[2]


def beside(package: str, name: str) -> str:
    """What a package called `name` is called on the platform of `package`."""
    return package.removesuffix(plain_name(package)) + name


def fits(package: str, pattern: str) -> bool:
    """Whether a pattern of forge.yaml means a package: by its plain name, or with its platform."""
    return fnmatchcase(plain_name(package), pattern) or fnmatchcase(package, pattern)


def of_further_platform(
    recipes: Iterable[Recipe | BrokenRecipe], at_home: Mapping[str, Recipe]
) -> Iterator[Recipe | BrokenRecipe]:
    """What a further platform has of the forge's recipes: their outputs that are not noarch.

    A recipe that is a fault of the first platform already is not a second one here.

    Args:
        recipes: as rendered for that platform.
        at_home: the recipes without a fault, as rendered for the first platform, by path.
    """
    for recipe in recipes:
        known = at_home.get(recipe.path)
        if known is None:
            continue
        if isinstance(recipe, BrokenRecipe):
            if not all(output.noarch for output in known.outputs):
                yield recipe
            continue
        outputs = tuple(output for output in recipe.outputs if not output.noarch)
        if outputs:
            yield replace(recipe, outputs=outputs)
