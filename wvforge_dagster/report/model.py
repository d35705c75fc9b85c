"""The report as data: what ``report.json`` holds. Its JSON schema is docs/report.schema.json.

The keys keep their names and meanings; new ones may come. Times are in UTC, durations in seconds, sizes in bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from wvforge_dagster.core.state import State


class Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_serialization_defaults_required=True)


class Reference(Value):
    """One package variant."""

    package: str
    partition: str | None = Field(description="Null for a package without variants.")


class Change(Value):
    """One part of the inputs that changed since the package was built."""

    where: str = Field(description="The file, key or package.")
    what: str
    old: str | None = None
    new: str | None = None


class Input(Value):
    """One part of what a package variant is made from, as `wvforge explain` prints it."""

    name: str
    value: str


class File(Value):
    """A package file: the one that is up to date, or else the last one."""

    name: str = Field(description="Of the package: a recipe may have several outputs.")
    filename: str
    subdir: str
    version: str
    build: str
    build_number: int
    size: int
    sha256: str
    content: str = Field(description="The content digest: without times, number and record.")
    payload_files: int
    built: AwareDatetime | None
    channels: tuple[str, ...] = Field(description="Labels of the publish targets that list exactly this file.")


class Attempt(Value):
    """One time that a package variant was made, as Dagster's event log has it."""

    partition: str | None
    at: AwareDatetime
    outcome: str = Field(description="What was done and why, in one line.")
    seconds: dict[str, float] = Field(description="By phase; `script` is a part of `solve and build`.")
    size: int | None = Field(description="Of all files together.")
    run: str = Field(description="The id of Dagster's run.")
    log: str | None = Field(description="Where the log lies, relative to the forge's output folder.")


class InstallLines(Value):
    """The lines that install a package variant from one channel, by tool."""

    channel: str
    specs: tuple[str, ...]
    channels: tuple[str, ...] = Field(description="Names and addresses that are solved against, in order of priority.")
    lines: dict[str, tuple[str, ...]] = Field(description="For pixi, conda and micromamba.")


class Variant(Value):
    """One package variant: the keys of `wvforge status --json`, and more."""

    partition: str | None
    state: State
    reason: str
    channels: tuple[str, ...] = Field(description="Labels of the targets that hold exactly the up-to-date files.")
    files: tuple[File, ...] = ()
    changes: tuple[Change, ...] = ()
    inputs: tuple[Input, ...] = Field(default=(), description="Empty where they are not known yet.")
    input_digest: str | None = None
    tests: tuple[str, ...] = Field(default=(), description="The names of its tests.")
    tested: bool = Field(default=False, description="Whether the files passed these tests.")
    architectures: tuple[str, ...] = Field(default=(), description="GPU architectures that its files have code for.")
    needs: tuple[Reference, ...] = Field(
        default=(), description="Package variants that it builds against or runs with."
    )
    failure: str | None = Field(default=None, description="The step at which it failed.")
    last_lines: str = Field(default="", description="Of the log of the failure.")
    log: str | None = Field(default=None, description="Relative to the forge's output folder.")
    last: Attempt | None = Field(default=None, description="The last time that it was built or tested.")
    install: tuple[InstallLines, ...] = ()


class Need(Value):
    """A package that another one needs."""

    package: str
    sections: tuple[str, ...] = Field(description="The requirement sections that name it.")


class Package(Value):
    """A recipe, in all its variants."""

    name: str
    page: str = Field(description="The name of its page in the folder `package`, without the ending.")
    recipe: str | None = Field(description="Its recipe.yaml, relative to the forge; null if it is gone.")
    level: int | None
    version: str | None
    new_release: str | None = Field(
        default=None, description="The newest release of its source, where the recipe is older and one was found."
    )
    summary: str
    license: str
    homepage: str
    maintainers: tuple[str, ...]
    fault: str | None
    dimensions: tuple[str, ...]
    needs: tuple[Need, ...]
    needed_by: tuple[str, ...]
    variants: tuple[Variant, ...]
    history: tuple[Attempt, ...] = Field(description="The oldest first.")


class Column(Value):
    """All package variants of one variant."""

    key: str
    values: dict[str, str]


class Target(Value):
    """A publish target."""

    label: str
    url: str = Field(description="What a solver is given to read from it.")
    publish: str


class Bar(Value):
    """The run of one package variant in a build."""

    package: str
    partition: str | None
    started: AwareDatetime
    ended: AwareDatetime
    ready: AwareDatetime = Field(description="When all that it needs of this build was done.")
    worker: int
    outcome: Literal["done", "failed"]
    reason: str
    on_chain: bool


class Idle(Value):
    """Time in which a worker could do nothing: what was left needed something that was not done."""

    worker: int
    started: AwareDatetime
    ended: AwareDatetime


class Build(Value):
    """One call of `wvforge build`, or the same by the jobs `everything` and `nightly`."""

    id: str
    started: AwareDatetime
    ended: AwareDatetime
    workers: int
    worked: float = Field(description="Seconds of work, summed over all workers.")
    chain: tuple[Reference, ...] = Field(description="The longest chain of needs, by the seconds worked.")
    chain_seconds: float
    bars: tuple[Bar, ...]
    idle: tuple[Idle, ...]


class Obstacle(Value):
    """What holds up a column and needs someone: a package that is missing upstream, or one of the forge that fails."""

    kind: Literal["missing", "failed"]
    name: str
    reason: str
    stuck: tuple[Reference, ...]
    holds_up: tuple[Reference, ...] = Field(description="What would go on without it, `stuck` included.")
    alone: tuple[Reference, ...] = Field(description="Those of them that nothing else holds up.")


class Migration(Value):
    """How far a column is, or all columns of one value."""

    key: str
    page: str = Field(description="The name of its page in the folder `migration`, without the ending.")
    values: dict[str, str]
    groups: dict[str, tuple[Reference, ...]] = Field(
        description="published, building, waiting, failed, unsolvable, blocked, skipped."
    )
    obstacles: tuple[Obstacle, ...]


class Report(Value):
    """Everything that the report shows."""

    format: Literal[1] = 1
    forge: str = Field(description="The name of its folder.")
    made: AwareDatetime
    wvforge: str = Field(description="The version that made the report.")
    platform: str
    columns: tuple[Column, ...]
    targets: tuple[Target, ...]
    packages: tuple[Package, ...] = Field(description="In dependency order; after them, those whose recipe is gone.")
    migrations: tuple[Migration, ...]
    builds: tuple[Build, ...] = Field(description="The last ones, the newest first.")

    @cached_property
    def by_reference(self) -> Mapping[tuple[str, str | None], Variant]:
        """Its package variants, by package and partition."""
        return {(package.name, item.partition): item for package in self.packages for item in package.variants}
