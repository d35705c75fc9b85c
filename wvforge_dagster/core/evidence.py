"""What states are derived from: plain values, gathered by `orchestration.evidence`."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.failure import Failure
from wvforge_dagster.core.gpu import GpuRecord


class Listed(NamedTuple):
    """A package file that a channel lists.

    Attributes:
        series: its filename without the build number: what a solver takes the highest number of.
    """

    filename: str
    sha256: str
    series: str
    number: int

    @classmethod
    def of(cls, item: Artifact | Entry) -> Listed:
        build = item.build.removesuffix(f"_{item.build_number}")
        return cls(item.filename, item.sha256, f"{item.name}-{item.version}-{build}", item.build_number)


class Entry(Protocol):
    """What `Listed.of` needs of a channel's entry."""

    @property
    def filename(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def build(self) -> str: ...
    @property
    def build_number(self) -> int: ...


@dataclass(frozen=True)
class RecipeFiles:
    """Digests of what a recipe uses besides its recipe.yaml: its other files, and its ``path`` sources.

    Attributes:
        fault: why they cannot be used, in one line; None if they can.
    """

    files: Mapping[str, str] = field(hash=False)
    sources: Mapping[str, str] = field(hash=False)
    fault: str | None = None


@dataclass(frozen=True)
class Evidence:
    """Everything that states are derived from.

    Attributes:
        machine: the platform that is built on here.
        files: by package name.
        artifacts: every package file that says how it was made, in staging or in a target, each once.
        published: what each publish target (by its label) lists.
        targets: for each package name, the labels of the targets that it goes to.
        refused: for each package name, why some targets do not take its license, by their labels.
        by_column: the labels of those targets that packages reach with their column only.
        failures: the last failure of each package variant.
        building: package variants that are being built now.
        commits: of git sources, by `core.inputs.git_source_key`, as they were when they were last asked.
        recorded: the recorded parts as they are now.
        rebuild_on: names of the recorded parts that bind.
        cleared: for each file that is in staging and in no target, by its sha256, the digests of the tests that it passed
            together with every blocking check. What is in a target has passed already.
        gpu: what came of the GPU tests of files in staging, by their sha256.
        gpu_required: whether they have to pass before a package is published.
    """

    machine: str
    files: Mapping[str, RecipeFiles]
    artifacts: tuple[Artifact, ...]
    published: Mapping[str, Set[Listed]]
    targets: Mapping[str, tuple[str, ...]]
    failures: Mapping[VariantId, Failure]
    building: Set[VariantId] = frozenset()
    commits: Mapping[str, str] = field(default_factory=dict)
    recorded: Mapping[str, str] = field(default_factory=dict)
    rebuild_on: Set[str] = frozenset()
    by_column: Set[str] = frozenset()
    refused: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    cleared: Mapping[str, Set[str]] = field(default_factory=dict)
    gpu: Mapping[str, tuple[GpuRecord, ...]] = field(default_factory=dict)
    gpu_required: bool = False
