"""Recipes, catalogs and evidence as plain values, with what a test does not care about filled in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from wvforge_dagster.core.artifact import Artifact, Record
from wvforge_dagster.core.catalog import Catalog, VariantId, make_catalog
from wvforge_dagster.core.columns import Dimensions
from wvforge_dagster.core.derive import derive
from wvforge_dagster.core.digest import digest
from wvforge_dagster.core.evidence import Evidence, Listed, RecipeFiles
from wvforge_dagster.core.failure import Failure
from wvforge_dagster.core.recipe import SECTIONS, About, BrokenRecipe, Output, Recipe, Requirement
from wvforge_dagster.core.state import Status

TARGET = "file:output/channel"


def output(
    name: str,
    *,
    variant: Mapping[str, str] | None = None,
    skip: str | None = None,
    number: int = 0,
    script: str = "true",
    noarch: str | None = None,
    **requirements: Iterable[str],
) -> Output:
    """An output that requires, for each section, the named packages."""
    assert set(requirements) <= set(SECTIONS)
    sections = {section: [*names] for section, names in requirements.items()}
    return Output(
        name=name,
        version="1.0",
        build_string=f"h{digest(sorted(variant.items()))[:7] if variant else 0}_{number}",
        build_number=number,
        noarch=noarch,
        variant=tuple(sorted((variant or {}).items())),
        requirements={
            section: tuple(Requirement(entry.split()[0], entry) for entry in sections.get(section, ()))
            for section in SECTIONS
        },
        skip=skip,
        rendered={
            "package": {"name": name, "version": "1.0"},
            "build": {"script": script, "number": number},
            "requirements": {section: entries for section, entries in sections.items() if section != "test"},
        },
    )


def recipe(name: str, *outputs: Output, path: str | None = None, **requirements: Iterable[str]) -> Recipe:
    """A recipe with these outputs, or with one of its own name."""
    return Recipe(path or f"pkgs/{name}/recipe/recipe.yaml", name, About(), outputs or (output(name, **requirements),))


def columns(python: Iterable[str] = ("3.11", "3.12"), cuda: Iterable[str] = ("12.6", "12.8")) -> Dimensions:
    return Dimensions.of({"python": python, "cuda": cuda})


def catalog(*recipes: Recipe | BrokenRecipe, dimensions: Dimensions | None = None) -> Catalog:
    return make_catalog(recipes, dimensions or columns())


class World:
    """What lies in the channels of a forge, changed by tests as a build would change it."""

    def __init__(
        self,
        *recipes: Recipe | BrokenRecipe,
        dimensions: Dimensions | None = None,
        further: Mapping[str, Iterable[Recipe | BrokenRecipe]] | None = None,
    ) -> None:
        self.dimensions = dimensions
        self.further = {platform: tuple(found) for platform, found in (further or {}).items()}
        self.recipes = {item.path: item for item in recipes}
        self.staged: list[Artifact] = []
        self.published: set[tuple[str, str]] = set()
        self.failures: dict[VariantId, Failure] = {}
        self.building: set[VariantId] = set()
        self.files: dict[str, RecipeFiles] = {}
        self.commits: dict[str, str] = {}
        self.recorded: dict[str, str] = {"engine": "1", "compilers": "gcc 12"}
        self.rebuild_on: set[str] = set()
        self.by_column: set[str] = set()

    @property
    def catalog(self) -> Catalog:
        platforms = ("linux-64", *self.further)
        return make_catalog(self.recipes.values(), self.dimensions or columns(), platforms, self.further)

    def edit(self, changed: Recipe | BrokenRecipe) -> None:
        self.recipes[changed.path] = changed

    def statuses(self) -> dict[VariantId, Status]:
        found = self.catalog
        return derive(
            found,
            Evidence(
                machine="linux-64",
                files={name: self.files.get(name, RecipeFiles({}, {})) for name in found.packages},
                artifacts=tuple(self.staged),
                published={TARGET: frozenset(self._listed())},
                targets=dict.fromkeys(found.packages, (TARGET,)),
                failures=self.failures,
                building=frozenset(self.building),
                commits=self.commits,
                recorded=self.recorded,
                rebuild_on=frozenset(self.rebuild_on),
                by_column=frozenset(self.by_column),
            ),
        )

    def _listed(self) -> Iterable[Listed]:
        for filename, sha256 in self.published:
            item = next((item for item in self.staged if item.filename == filename), None)
            yield Listed.of(item)._replace(sha256=sha256) if item else Listed(filename, sha256, filename, 0)

    def status(self, package: str, partition: str = "") -> Status:
        return self.statuses()[VariantId(package, partition)]

    def state(self, package: str, partition: str = "") -> str:
        return self.status(package, partition).state.value

    def states(self) -> dict[str, str]:
        return {str(identity): status.state.value for identity, status in self.statuses().items()}

    def build(self, package: str, partition: str = "", *, content: str | None = None, publish: bool = True) -> None:
        """What a successful build leaves: packages with the expected record, and with `content` if it is given."""
        for expected in self.status(package, partition).expected:
            taken = [item.build_number for item in self.staged if item.name == expected.output.name]
            number = max([expected.output.build_number - 1, *taken]) + 1
            made = Artifact(
                subdir=self.catalog.packages[package].platform,
                filename=f"{expected.output.name}-1.0-h{partition.replace('|', '')}_{number}.conda",
                name=expected.output.name,
                version="1.0",
                build=f"h{partition.replace('|', '')}_{number}",
                build_number=number,
                sha256=digest([expected.output.name, partition, number]),
                size=1,
                content=content or digest(["content", expected.input_digest]),
                record=Record(
                    package, partition, expected.input_digest, expected.parts, expected.tests, dict(self.recorded)
                ),
            )
            self.staged.append(made)
            if publish:
                self.published.add((made.filename, made.sha256))

    def note_equal(self, package: str, partition: str = "") -> None:
        """What a build leaves that came out equal to the newest package: a note on that one."""
        for expected in self.status(package, partition).expected:
            assert expected.last is not None
            record = Record(
                package, partition, expected.input_digest, expected.parts, expected.tests, dict(self.recorded)
            )
            self._note(expected.last, record)

    def note_tests(self, package: str, partition: str = "") -> None:
        """What tests leave that passed on the package that is there."""
        for expected in self.status(package, partition).expected:
            assert expected.found is not None
            self._note(expected.found, replace(expected.found.records[-1], tests=expected.tests))

    def _note(self, artifact: Artifact, note: Record) -> None:
        self.staged[self.staged.index(artifact)] = replace(artifact, notes=(*artifact.notes, note))

    def build_all(self) -> None:
        for identity, status in self.statuses().items():
            if status.state.value not in ("skipped", "published"):
                self.build(identity.package, identity.partition)

    def fail(self, package: str, partition: str = "", *, failure: Failure) -> None:
        """A failure with the inputs that the package variant has now."""
        identity = VariantId(package, partition)
        self.failures[identity] = replace(failure, input_digest=self.statuses()[identity].input_digest)


def parts_of(world: World, package: str, partition: str = "") -> dict[str, Any]:
    return dict(world.status(package, partition).expected[0].parts)
