"""The catalog of a forge: its packages, what they need of one another, and their levels.

The graph comes from the recipes alone: build, host, run and test requirements that name another recipe's output.
After bioconda-utils' ``graph.py``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from graphlib import TopologicalSorter
from types import MappingProxyType

from wvforge_dagster.core.circles import find_circles
from wvforge_dagster.core.columns import (
    UNPARTITIONED,
    Dimensions,
    agreeing_keys,
    dimension_values,
    keys_of_variant,
    matches,
)
from wvforge_dagster.core.platforms import beside, of_further_platform, package_name, plain_name
from wvforge_dagster.core.reach import reached
from wvforge_dagster.core.recipe import BUILD_SECTIONS, BrokenRecipe, Output, Recipe
from wvforge_dagster.core.siblings import each_once, in_order, same_files, whole_variant


@dataclass(frozen=True)
class Package:
    """A recipe in its forge.

    Attributes:
        name: with its platform, where that is not the first one (`core.platforms`).
        fault: why it cannot be built, in one line; None if it can.
        dimensions: the columns that it is partitioned by.
        needs: for each other package that it needs, the requirement sections that name it.
        level: distance from the packages without local dependencies.
        platform: what it is built on; a noarch package is built on the first one.
    """

    name: str
    path: str
    recipe: Recipe | None
    fault: str | None
    dimensions: Dimensions
    needs: tuple[tuple[str, tuple[str, ...]], ...] = ()
    level: int = 0
    platform: str = "linux-64"

    @property
    def needed_names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.needs)


@dataclass(frozen=True, order=True)
class VariantId:
    """One package in one partition; the partition of an unpartitioned package is the empty string."""

    package: str
    partition: str = UNPARTITIONED

    def __str__(self) -> str:
        return f"{self.package}[{self.partition}]" if self.partition else self.package


@dataclass(frozen=True)
class PackageVariant:
    """One recipe in one partition: the unit that is built, tested and published.

    Attributes:
        outputs: what it produces, in dependency order; empty if the recipe does not take this partition.
        skip: why it is not built, if the recipe skips it.
        builds_against: package variants in its build and host environments: those that these requirements name, and
            those that come along because such a package runs with them.
        runs_with: package variants named in its run and test requirements only.
        needs_to_run: package variants named in its run requirements.
    """

    id: VariantId
    outputs: tuple[Output, ...]
    skip: str | None
    builds_against: tuple[VariantId, ...] = ()
    runs_with: tuple[VariantId, ...] = ()
    needs_to_run: tuple[VariantId, ...] = ()

    @property
    def needs(self) -> tuple[VariantId, ...]:
        """Everything that it builds against or runs with."""
        return (*self.builds_against, *self.runs_with)


@dataclass(frozen=True)
class Catalog:
    """Everything that follows from a forge's rendered recipes, in dependency order.

    Attributes:
        provider: the package that makes each output, by the output's name, both with a further platform.
        platforms: those of the forge, in order.
    """

    dimensions: Dimensions
    packages: Mapping[str, Package]
    variants: Mapping[VariantId, PackageVariant]
    provider: Mapping[str, str]
    platforms: tuple[str, ...] = ("linux-64",)

    def owner(self, output: str, subdir: str) -> str | None:
        """The package whose output a file of this name in a channel's platform folder is; None if none has such an output."""
        return self.provider.get(package_name(output, subdir, self.platforms[0]))

    def identity_of(self, package: str, partition: str, subdir: str) -> VariantId:
        """The package variant that a file is of which says so itself, and lies in a channel's platform folder.

        The folder counts, not the package's word: another platform may have been the forge's first when it was built.
        """
        return VariantId(package_name(plain_name(package), subdir, self.platforms[0]), partition)

    @cached_property
    def identifiers(self) -> Mapping[str, str]:
        """For each package a name of letters, digits and underscores that no other package has."""
        twins: dict[str, list[str]] = defaultdict(list)
        for name in sorted(self.packages):
            twins["".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name)].append(name)
        return {
            name: plain if position == 0 else f"{plain}__{position}"
            for plain, names in twins.items()
            for position, name in enumerate(names)
        }

    def sharing(self, identity: VariantId) -> tuple[VariantId, ...]:
        """The other partitions of a package that have an output in common with this one, in order: one that uses fewer keys
        than its siblings is built once, by whichever comes first."""
        recipe = self.packages[identity.package].recipe
        if recipe is None or len({output.name for output in recipe.outputs}) < 2:
            return ()
        mine = {(output.name, output.variant) for output in self.variants[identity].outputs}
        others = (VariantId(identity.package, key) for key in self.packages[identity.package].dimensions.keys())
        return tuple(
            other
            for other in others
            if other != identity and any((o.name, o.variant) in mine for o in self.variants[other].outputs)
        )

    def with_needs(self, identity: VariantId) -> tuple[VariantId, ...]:
        """A package variant with everything that it builds against and runs with, and what that needs; in dependency order."""
        found = reached([identity], lambda each: self.variants[each].needs)
        return tuple(sorted(found, key=lambda each: (self.packages[each.package].level, each)))

    def levels(self) -> tuple[tuple[str, ...], ...]:
        """Names of the packages by level."""
        found: dict[int, list[str]] = defaultdict(list)
        for package in self.packages.values():
            found[package.level].append(package.name)
        return tuple(tuple(sorted(found[level])) for level in sorted(found))


def make_catalog(
    recipes: Iterable[Recipe | BrokenRecipe],
    dimensions: Dimensions,
    platforms: tuple[str, ...] = ("linux-64",),
    further: Mapping[str, Iterable[Recipe | BrokenRecipe]] = MappingProxyType({}),
) -> Catalog:
    """Bring the recipes of a forge together.

    Args:
        recipes: as rendered for the first platform.
        platforms: those of the forge, in order.
        further: the recipes as rendered for each of the others.

    Recipes that share a package name, depend on themselves or on one another in a circle become packages with a
    fault that names every file; they take no other package along.
    """
    packages, provider = _packages(recipes, dimensions, platforms[0])
    for platform in platforms[1:]:
        more, provided = _packages_of_further(further[platform], dimensions, platform, packages, provider)
        packages |= more
        provider |= provided
    needs = {name: _needs(package, provider) for name, package in packages.items()}
    faults = _self_dependencies(packages) | _cycles(packages, needs)
    graph = {
        name: {other for other in found if not (name in faults and other in faults)} for name, found in needs.items()
    }
    levels: dict[str, int] = {}
    for name in TopologicalSorter({name: sorted(graph[name]) for name in sorted(graph)}).static_order():
        levels[name] = 1 + max((levels[other] for other in graph[name]), default=-1)
    ordered = sorted(packages, key=lambda name: (levels[name], name))
    final = {
        name: Package(
            name=name,
            path=packages[name].path,
            recipe=packages[name].recipe,
            fault=faults.get(name, packages[name].fault),
            dimensions=packages[name].dimensions,
            needs=tuple((other, needs[name][other]) for other in sorted(graph[name])),
            level=levels[name],
            platform=packages[name].platform,
        )
        for name in ordered
    }
    variants: dict[VariantId, PackageVariant] = {}
    for name in ordered:
        for variant in _variants(final[name], final, provider):
            variants[variant.id] = _with_what_comes_along(variant, final, variants)
    return Catalog(dimensions, final, variants, provider, platforms)


def _packages_of_further(
    recipes: Iterable[Recipe | BrokenRecipe],
    dimensions: Dimensions,
    platform: str,
    at_home: Mapping[str, Package],
    provider: Mapping[str, str],
) -> tuple[dict[str, Package], dict[str, str]]:
    """`_packages` of a further platform, named with it. What is noarch at home is provided from there."""
    known = {package.path: package.recipe for package in at_home.values() if package.recipe and "/" not in package.name}
    packages, provided = _packages(of_further_platform(recipes, known), dimensions, platform)
    for name, owner in provider.items():
        recipe = at_home[owner].recipe
        if "/" not in name and (recipe is None or any(o.noarch for o in recipe.outputs if o.name == name)):
            provided.setdefault(name, "")
    return (
        {f"{platform}/{name}": replace(package, name=f"{platform}/{name}") for name, package in packages.items()},
        {f"{platform}/{name}": f"{platform}/{owner}" if owner else provider[name] for name, owner in provided.items()},
    )


def _packages(
    recipes: Iterable[Recipe | BrokenRecipe], dimensions: Dimensions, platform: str
) -> tuple[dict[str, Package], dict[str, str]]:
    """Packages by name, and the package that provides each output name."""
    claims: dict[str, list[Recipe | BrokenRecipe]] = defaultdict(list)
    ordered = sorted(recipes, key=lambda recipe: recipe.path)
    for recipe in ordered:
        claimed = {recipe.name, *recipe.output_names} if isinstance(recipe, Recipe) else {recipe.name}
        for name in claimed:
            claims[name.lower()].append(recipe)
    packages: dict[str, Package] = {}
    provider: dict[str, str] = {}
    for recipe in ordered:
        if recipe.name in packages:
            continue
        names = (recipe.name, *recipe.output_names) if isinstance(recipe, Recipe) else (recipe.name,)
        rivals = sorted({other.path for name in names for other in claims[name.lower()]})
        if len(rivals) > 1:
            fault = (
                f"{' and '.join(rivals)}: these recipes make packages of one name, {recipe.name}; rename all but one"
            )
            packages[recipe.name] = Package(recipe.name, recipe.path, None, fault, Dimensions(), platform=platform)
        elif isinstance(recipe, BrokenRecipe):
            packages[recipe.name] = Package(
                recipe.name, recipe.path, None, recipe.reason, Dimensions(), platform=platform
            )
        else:
            same = same_files(recipe)
            used = {name for output in recipe.outputs for name in dimension_values(output.variant)}
            packages[recipe.name] = Package(
                recipe.name, recipe.path, recipe, same, dimensions.only(used), platform=platform
            )
        provider.update(dict.fromkeys(names, recipe.name))
    return packages, provider


def _needs(package: Package, provider: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Other packages of the forge that `package` requires, with the sections that name them."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for output in package.recipe.outputs if package.recipe else ():
        for section, requirements in output.requirements.items():
            for requirement in requirements:
                other = provider.get(beside(package.name, requirement.name))
                if other is not None and other != package.name:
                    found[other][section] = None
    return {other: tuple(sections) for other, sections in found.items()}


def _self_dependencies(packages: Mapping[str, Package]) -> dict[str, str]:
    return {
        name: f"{package.path}: requirements: {output.name} depends on itself; remove that requirement"
        for name, package in packages.items()
        for output in (package.recipe.outputs if package.recipe else ())
        if output.name in output.requires()
    }


def _cycles(packages: Mapping[str, Package], needs: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """A fault for every package that lies on a circle of dependencies."""
    faults: dict[str, str] = {}
    for name, circle in find_circles(needs).items():
        shown = " -> ".join(f"{other} ({packages[other].path})" for other in [*circle, circle[0]])
        faults[name] = f"dependency cycle: {shown}; remove one of these requirements"
    return faults


def _variants(
    package: Package, packages: Mapping[str, Package], provider: Mapping[str, str]
) -> Iterable[PackageVariant]:
    needed = set(package.needed_names)
    outputs = tuple(each_once(package.recipe.outputs if package.recipe else ()))
    by_key: dict[str, list[Output]] = defaultdict(list)
    for output in outputs:
        for key in keys_of_variant(package.dimensions, whole_variant(output, outputs)):
            by_key[key].append(output)
    for key in package.dimensions.keys():
        identity = VariantId(package.name, key)
        if package.recipe is None:
            yield PackageVariant(identity, (), None)
            continue
        mine = by_key[key]
        taken = in_order([output for output in mine if output.skip is None])
        skip = None
        if not taken:
            skip = f"skipped by the recipe: {mine[0].skip}" if mine else "the recipe does not take this variant"
        sections: dict[VariantId, set[str]] = defaultdict(set)
        for output in taken:
            for section, requirements in output.requirements.items():
                for requirement in requirements:
                    other = provider.get(beside(package.name, requirement.name))
                    if other is None or other == package.name or other not in needed:
                        continue
                    for other_key in agreeing_keys(packages[other].dimensions, package.dimensions, key):
                        sections[VariantId(other, other_key)].add(section)
        builds = tuple(sorted(other for other, found in sections.items() if found & set(BUILD_SECTIONS)))
        runs = tuple(sorted(other for other, found in sections.items() if not found & set(BUILD_SECTIONS)))
        to_run = tuple(sorted(other for other, found in sections.items() if "run" in found))
        yield PackageVariant(identity, tuple(taken), skip, builds, runs, to_run)


def _with_what_comes_along(
    variant: PackageVariant, packages: Mapping[str, Package], done: Mapping[VariantId, PackageVariant]
) -> PackageVariant:
    """`variant` with what its build and host requirements need to run, in its column: it is in those environments too."""
    column = packages[variant.id.package].dimensions.split(variant.id.partition)

    def along(identity: VariantId) -> Iterable[VariantId]:
        for other in done[identity].needs_to_run:
            if matches(packages[other.package].dimensions.split(other.partition), column):
                yield other

    found = reached(variant.builds_against, along)
    return replace(
        variant,
        builds_against=tuple(sorted(found)),
        runs_with=tuple(other for other in variant.runs_with if other not in found),
    )
