"""Recipes as the engine renders them: plain values without the engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from wvforge_dagster.core.artifact import RECORD_KEY
from wvforge_dagster.core.digest import digest
from wvforge_dagster.core.gpu import GpuTest, read_gpu_tests

BUILD_SECTIONS = ("build", "host", "staging build", "staging host")
"""The sections whose packages go into what is built; the last two are those of the staging outputs that it inherits from."""

SECTIONS = (*BUILD_SECTIONS, "run", "test")

LEGACY_VARIANT_FILE = "conda_build_config.yaml"
OWN_VARIANT_FILES = ("variants.yaml", LEGACY_VARIANT_FILE)
"""Names of the variant file that a recipe may have beside it; the first that is there counts, for this recipe only.

What it says is in the variants that the recipe renders to; the file itself binds nothing.
"""


@dataclass(frozen=True)
class Requirement:
    """One entry of a requirements section.

    Attributes:
        name: the conda package that is required.
        spec: the whole entry as the recipe's rendering has it.
    """

    name: str
    spec: str


@dataclass(frozen=True)
class Output:
    """One package that a recipe produces in one variant.

    Attributes:
        variant: the variant keys that it uses, with their values, in order of the keys.
        requirements: the requirements of each section of `SECTIONS`.
        skip: the recipe's condition that excludes this variant, if one holds.
        rendered: the whole rendered recipe of this output, as the engine gives it.
    """

    name: str
    version: str
    build_string: str
    build_number: int
    noarch: str | None
    variant: tuple[tuple[str, str], ...]
    requirements: dict[str, tuple[Requirement, ...]] = field(hash=False)
    skip: str | None
    rendered: dict[str, Any] = field(hash=False)

    @cached_property
    def binding(self) -> dict[str, Any]:
        """The part of the rendered recipe that makes the package.

        ``extra`` is for people, and ``tests`` are run again without a build; but for ``package_contents``, which the engine
        checks while it writes the package and at no other time.
        """
        kept = {key: value for key, value in self.rendered.items() if key not in ("tests", "extra")}
        contents = [test for test in self.rendered.get("tests") or [] if "package_contents" in test]
        return kept | ({"package_contents": contents} if contents else {})

    @cached_property
    def sources(self) -> tuple[dict[str, Any], ...]:
        """Its sources as rendered, with those of the staging outputs that it inherits from."""
        holders = (self.rendered, *(self.rendered.get("staging_caches") or ()))
        return tuple(source for holder in holders for source in holder.get("source") or ())

    @cached_property
    def binding_digest(self) -> str:
        """Digest of `binding`."""
        return digest(self.binding)

    @property
    def own(self) -> Any:
        """What it says to this project, below ``extra: wvforge``, whatever that is; None if it says nothing."""
        return (self.rendered.get("extra") or {}).get(RECORD_KEY)

    @cached_property
    def gpu_tests(self) -> tuple[GpuTest, ...]:
        """What it asks for in ``extra: wvforge: gpu-tests``. Raises ValueError if that cannot be read."""
        return read_gpu_tests(self.own)

    def requires(self, *sections: str) -> frozenset[str]:
        """Names of the packages that these sections require; all sections if none is given."""
        return frozenset(
            requirement.name for section in (sections or SECTIONS) for requirement in self.requirements.get(section, ())
        )


@dataclass(frozen=True)
class About:
    """What a recipe says of itself, for people."""

    summary: str = ""
    description: str = ""
    homepage: str = ""
    license: str = ""
    maintainers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """A recipe that renders.

    Attributes:
        path: its recipe.yaml, relative to the forge, with forward slashes.
        name: the name of its package (of the recipe, if it has several outputs).
        outputs: every output in every variant.
        sha256: of its recipe.yaml as it was rendered.
    """

    path: str
    name: str
    about: About
    outputs: tuple[Output, ...]
    sha256: str = ""

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(output.name for output in self.outputs))


@dataclass(frozen=True)
class BrokenRecipe:
    """A recipe that cannot be used, and why.

    Attributes:
        reason: one line that names the file, the place and the remedy.
    """

    path: str
    name: str
    reason: str


def name_from_path(path: str) -> str:
    """The package name that a recipe's place suggests: ``pkgs/NAME/recipe/recipe.yaml`` and ``pkgs/NAME/recipe.yaml``."""
    folders = PurePosixPath(path).parent
    return folders.parent.name if folders.name == "recipe" and folders.parent.name else folders.name
