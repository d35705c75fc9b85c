"""Classes of packages: which ones take turns, what each may use, and how it is told which class a package is of.

A class is a pool in Dagster, a set of limits and a bound on how many builds of it run at once. What a class says is data; who
keeps to it is `orchestration`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from wvforge_dagster.core.artifact import RECORD_KEY
from wvforge_dagster.core.history import Past
from wvforge_dagster.core.limits import ALL_CORES, SomeLimits
from wvforge_dagster.core.platforms import fits
from wvforge_dagster.core.recipe import BrokenRecipe, Recipe

LIGHT, HEAVY, GPU = "light", "heavy", "gpu"
CLASS_KEY = "class"
"""Where a recipe names its class: ``extra: {wvforge: {class: heavy}}``."""


_NAME = "[a-z][a-z0-9_-]*"


def _pool_name(value: str) -> str:
    """Names of classes are names of pools, and `upload` is one already."""
    if not re.fullmatch(_NAME, value) or value == "upload":
        raise ValueError(f"{value!r} cannot be the name of a class: take small letters, and not upload")
    return value


class ClassSettings(SomeLimits):
    """One class of packages; its limits stand above those of all packages."""

    packages: tuple[str, ...] = Field(default=(), description="Names or patterns of its packages.")
    from_minutes: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="It also has the packages of which one of the last five builds of a variant took as long; none: time does "
        "not tell.",
    )
    from_memory_gib: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="It also has the packages of which one of the last five builds of a variant held as much memory, in GiB; "
        "none: memory does not tell.",
    )
    at_once: int | None = Field(
        default=None,
        ge=1,
        description="Builds of it that run at once, at most; 1 for `heavy` and `gpu`; none: no bound of its own.",
    )
    gpus: int = Field(
        default=0,
        ge=0,
        description="GPUs that a place for such a build is asked to have; 1 for `gpu`. On one machine nothing follows from it.",
    )
    node_selector: dict[str, str] = Field(
        default={}, description="Labels of the Kubernetes nodes that its builds go to."
    )
    tolerations: tuple[dict[str, str | int], ...] = Field(
        default=(), description="Taints of Kubernetes nodes that its builds tolerate, as a pod has them."
    )

    @property
    def is_measured(self) -> bool:
        """Whether what builds took decides who is of this class."""
        return self.from_minutes is not None or self.from_memory_gib is not None


DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    LIGHT: {},
    HEAVY: {"at_once": 1, "cores": ALL_CORES},
    GPU: {"at_once": 1, "gpus": 1},
}
"""The classes that every forge has, and what is not given of them in forge.yaml."""


def _over_defaults(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    names = [*DEFAULTS, *(name for name in value if name not in DEFAULTS)]
    given = {name: value.get(name, {}) for name in names}
    return {
        name: {**DEFAULTS.get(name, {}), **settings} if isinstance(settings, Mapping) else settings
        for name, settings in given.items()
    }


Classes = Annotated[
    dict[Annotated[str, AfterValidator(_pool_name)], ClassSettings],
    BeforeValidator(_over_defaults),
    Field(
        default={},
        validate_default=True,
        json_schema_extra={"propertyNames": {"pattern": f"^(?!upload$){_NAME}$"}},
        description="[Classes](#classes) of packages: which ones take turns, and what each may use.",
    ),
]


def wanted_class(recipe: Recipe | None) -> Any:
    """What a recipe names as its class; None if it names none."""
    for output in recipe.outputs if recipe else ():
        if isinstance(output.own, Mapping) and CLASS_KEY in output.own:
            return output.own[CLASS_KEY]
    return None


def refuse_unknown_class(recipe: Recipe | BrokenRecipe, known: Collection[str]) -> Recipe | BrokenRecipe:
    """The recipe, or why it cannot be used, if it names a class that there is not."""
    wanted = wanted_class(recipe) if isinstance(recipe, Recipe) else None
    if wanted is None or (isinstance(wanted, str) and wanted in known):
        return recipe
    words = f"{recipe.path}: extra.{RECORD_KEY}.{CLASS_KEY}: {wanted!r} is no class; take one of {', '.join(known)}"
    return BrokenRecipe(recipe.path, recipe.name, f"{words}, or add it to classes in forge.yaml")


@dataclass(frozen=True)
class PackageClass:
    """The class of one package, and why it is of that one, in a few words; nothing for those that are of no other."""

    name: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})" if self.reason else self.name


def class_of(package: str, wanted: Any, past: Iterable[Past], classes: Mapping[str, ClassSettings]) -> PackageClass:
    """The class of a package: what its recipe says; else that whose patterns fit its name; else that whose bounds its past
    builds reached; else ``light``. Where several fit, the last of them.

    Args:
        wanted: a class that its recipe names, one of `classes`; None if it names none.
        past: what is known of the builds of its variants.
    """
    if wanted is not None:
        return PackageClass(str(wanted), "its recipe says so")
    for name, settings in reversed([*classes.items()]):
        pattern = next((pattern for pattern in settings.packages if fits(package, pattern)), None)
        if pattern is not None:
            return PackageClass(name, f"classes.{name}.packages has {pattern}")
    builds = list(past)
    minutes = max((build.longest for build in builds), default=0.0) / 60
    memory = max((build.most_memory for build in builds), default=0) / 2**30
    for name, settings in reversed([*classes.items()]):
        if settings.from_minutes is not None and minutes >= settings.from_minutes:
            return PackageClass(
                name, f"a build took {minutes:.3g} min; classes.{name}.from_minutes is {settings.from_minutes:g}"
            )
        if settings.from_memory_gib is not None and memory >= settings.from_memory_gib:
            words = f"a build held {memory:.3g} GiB; classes.{name}.from_memory_gib is {settings.from_memory_gib:g}"
            return PackageClass(name, words)
    return PackageClass(LIGHT)
