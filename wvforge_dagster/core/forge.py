"""forge.yaml: what a forge is made of, and its defaults.

Every key is optional: an empty forge.yaml is a forge with ``variants.yaml`` and ``pkgs/*/recipe/recipe.yaml`` beside
it that publishes to the folder ``output/channel``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from wvforge_dagster.core.architectures import NOTHING_DECLARED, SPELLING, Architectures
from wvforge_dagster.core.classes import Classes
from wvforge_dagster.core.limits import Limits
from wvforge_dagster.core.platforms import PLATFORMS
from wvforge_dagster.core.recipients import Recipient, distinct
from wvforge_dagster.core.severity import Checks, off_in_schema, off_of_yaml

CONFIG_NAME = "forge.yaml"


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class FileChannel(_Settings):
    """A channel in a folder; relative paths are relative to the forge."""

    file: str = Field(min_length=1, description="Its path; a relative one is relative to the forge.")


def _is_channel_name(value: str) -> str:
    if re.match(r"(\.|/|~)", value):
        raise ValueError(f"{value!r} looks like a path: write {{file: {value}}}")
    return value


class VariantFile(_Settings):
    """A variant file, and the content that it must have; or one that a version of a package of the upstream channels holds,
    such as conda-forge-pinning."""

    # `_as_file` gives the name of a package's file.
    model_config = ConfigDict(
        json_schema_extra={
            "required": [],
            "anyOf": [{"required": ["file"]}, {"required": ["package"]}],
            "dependentRequired": {"package": ["version"], "version": ["package"]},
        }
    )

    file: str = Field(min_length=1, description="Its path in the forge, or in the package.")
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$", description="Of its content.")
    package: str | None = Field(default=None, pattern="^[a-z0-9_.-]+$", description="The package that holds it.")
    version: str | None = Field(default=None, pattern="^[0-9A-Za-z][0-9A-Za-z_.+!]*$", description="Of the package.")

    @model_validator(mode="after")
    def _is_whole(self) -> VariantFile:
        if (self.package is None) != (self.version is None):
            raise ValueError('`package` and `version` go together, such as {package: NAME, version: "1.2"}')
        if self.package is not None and (self.file.startswith("/") or ".." in Path(self.file).parts):
            raise ValueError(f"the file {self.file!r} of a package should be a path below its root")
        return self

    def folder_in(self, output: str) -> Path:
        """Where the file of a package is kept, relative to the forge whose output folder is `output`."""
        return Path(output) / "variants" / f"{self.package}-{self.version}"

    def path_in(self, output: str) -> Path:
        """Where it lies, relative to the forge whose output folder is `output`."""
        return Path(self.file) if self.package is None else self.folder_in(output) / self.file


def _as_file(value: Any) -> Any:
    if isinstance(value, str):
        return {"file": value}
    if not isinstance(value, Mapping):
        known = '{file: NAME, sha256: HEX} nor {package: NAME, version: "1.2"}'
        raise ValueError(f"{value!r} is neither the name of a file nor {known}")
    return {"file": "conda_build_config.yaml", **value} if "package" in value else value


def _as_architectures(value: Any) -> Architectures:
    """A list for all CUDA releases, or lists by release; YAML reads ``8.6`` as a number."""
    if isinstance(value, Architectures):
        return value
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = {"": value}
    if not isinstance(value, Mapping) or not all(
        isinstance(items, Sequence) and not isinstance(items, str) for items in value.values()
    ):
        raise ValueError('should be a list such as ["8.0", "9.0+PTX"], or such lists by CUDA release')
    return Architectures.from_json({str(release): [str(item) for item in items] for release, items in value.items()})


def _is_platform(value: str) -> str:
    if value not in PLATFORMS:
        raise ValueError(f"there is no platform {value!r}; there are {', '.join(PLATFORMS)}")
    return value


PlatformName = Annotated[str, AfterValidator(_is_platform), WithJsonSchema({"enum": list(PLATFORMS)})]

ChannelName = Annotated[
    str, Field(min_length=1, json_schema_extra={"pattern": "^(?![./~])"}), AfterValidator(_is_channel_name)
]

_ARCHITECTURES: Mapping[str, Any] = {
    "type": "array",
    "minItems": 1,
    "items": {"type": ["string", "number"], "pattern": SPELLING},
}


class CompilerCacheSettings(_Settings):
    """A cache of what compilers made, which builds share."""

    size_gib: float = Field(
        default=20.0, gt=0, allow_inf_nan=False, description="Most that it takes on the disk, in GiB."
    )
    folder: str | None = Field(
        default=None,
        min_length=1,
        description="Where it lies, relative to the forge; none: `cache/compilers` in the forge's output.",
    )


DeploymentName = Literal["one-machine", "celery", "kubernetes"]


class Forge(_Settings):
    """The settings of a forge, as read from forge.yaml."""

    # The descriptions here and in the models below are the tables of docs/forge-yaml.md, to which links are relative, and the
    # texts of docs/forge.schema.json: `make reference` writes both.

    channels: tuple[ChannelName | FileChannel, ...] = Field(
        default=("conda-forge",),
        description="Upstream channels, in order of priority: names, addresses, or `{file: PATH}`; `[]` for none. When a build "
        "solves, the staging channel and the publish targets come before them, with strict priority.",
    )
    publish: tuple[dict[str, Any], ...] = Field(
        default=({"file": "output/channel"},),
        description="[Publish targets](#publish-targets), each a kind and its address, such as `{file: PATH}` or "
        "`{prefix: NAME}`; `[]` stages only.",
    )
    variants: tuple[
        Annotated[VariantFile, BeforeValidator(_as_file, json_schema_input_type=str | VariantFile)], ...
    ] = Field(
        default=(VariantFile(file="variants.yaml"),),
        description="[Variant files](#variantsyaml), in order; the keys of later ones win, and so do their `zip_keys`. "
        "`[]` for none. `{file: NAME, sha256: HEX}` locks the content of one; `{package: NAME, version: ...}` is one that a "
        "package of the upstream channels holds.",
    )
    recipes: tuple[str, ...] = Field(
        default=("pkgs/*/recipe/recipe.yaml", "pkgs/*/recipe.yaml"),
        min_length=1,
        description="Patterns of recipe files, below the forge. A recipe that a link leads to a second time is one recipe.",
    )
    output: str = Field(
        default="output",
        min_length=1,
        description="Folder of the staging channel, logs, caches, work folders and Dagster's storage.",
    )
    staging: dict[str, Any] | None = Field(
        default=None,
        description="The staging channel that "
        "[several machines share](publishing.md#one-staging-channel-for-several-machines): `{s3: BUCKET/PREFIX}` or "
        "`{file: PATH}`, with the keys that say where it is; none: `output/staging`, this machine's own.",
    )
    platforms: tuple[PlatformName, ...] = Field(
        default=("linux-64",),
        min_length=1,
        json_schema_extra={"uniqueItems": True},
        description="The [platforms](#platforms) that are built for, such as `[linux-64, linux-aarch64]`; the packages of the "
        "first have plain names, and noarch ones are its. `platform: NAME` means one.",
    )
    deployment: DeploymentName = Field(
        default="one-machine",
        description="What Dagster's runs are executed by: this machine, Celery workers, or Kubernetes. WVFORGE_DEPLOYMENT "
        "stands above it.",
    )
    classes: Classes
    limits: Limits = Field(default=Limits(), description="What a build and its tests may use before they are ended.")
    checks: Checks = Field(
        default=Checks(),
        description="What the findings of the [package checks](checks.md) weigh: `error`, `warning` or `off`, by check; none: "
        "as each finding weighs by itself.",
    )
    compiler_cache: CompilerCacheSettings | None = Field(
        default=None,
        alias="compiler-cache",
        description="A [cache](#compiler-cache) of what compilers made, which builds share; `{}` for its defaults; none: there "
        "is none, because what one build writes to it, others take for theirs.",
    )
    architectures: Annotated[
        Architectures,
        BeforeValidator(_as_architectures),
        WithJsonSchema({"anyOf": [_ARCHITECTURES, {"type": "object", "additionalProperties": _ARCHITECTURES}]}),
    ] = Field(
        default=NOTHING_DECLARED,
        description="CUDA [architectures](gpu.md) that packages carry code for: a list for all CUDA releases, or lists by "
        "release.",
    )
    gpu_tests: Literal["shown", "required"] = Field(
        default="shown",
        alias="gpu-tests",
        description="Whether a package whose [GPU tests](gpu.md#gpu-tests) have not passed on a GPU may be published: `shown` "
        "yes, `required` no.",
    )
    isolation: Annotated[
        Literal["auto", "required", "off"], BeforeValidator(off_of_yaml), off_in_schema("auto", "required")
    ] = Field(
        default="auto",
        description="Builds and tests run in a [sandbox](isolation.md): `auto` where the machine has one, else with a warning; "
        "`required` always, or not at all; `off` never.",
    )
    readable: tuple[str, ...] = Field(
        default=(),
        description="Files and folders that builds in the sandbox may read besides; `~` is your home folder.",
    )
    network: bool = Field(
        default=True,
        description="Whether build scripts may use the [network](isolation.md#network). A recipe may say so itself: "
        "`extra: {wvforge: {network: false}}`; either is enough to cut it.",
    )
    upstream: str | None = Field(
        default=None,
        description="Manifest of an embedded upstream channel, assembled by `wvforge upstream` (and before `wvforge build`) "
        "into the first `{file: ...}` of `channels`. That folder must be its own: no publish target, and none with packages "
        "that this forge did not make. Only forges on machines without conda-forge need one, such as `examples/embedded`.",
    )
    rebuild: Literal["raise", "refuse"] = Field(
        default="raise",
        description="When inputs changed and the recipe's build number did not: `raise` the number, or `refuse` to build and "
        "say which one to set.",
    )
    rebuild_on: tuple[Literal["pinned", "host", "build", "engine", "compilers", "isolation"], ...] = Field(
        default=("pinned",),
        alias="rebuild-on",
        description="[Recorded parts](status.md) whose change rebuilds; `[]` for none. Seen by every command: `engine`, "
        "`compilers`, `isolation`. Seen by the [nightly run](automation.md): `pinned` (a host package is solved anew to one "
        "that the built package's own requirements do not allow), `host`, `build` (any change of that environment).",
    )
    nightly: str | None = Field(
        default=None,
        description='When the nightly run starts by itself: five cron fields, such as `"0 3 * * *"`; none: it is started by '
        "hand.",
    )
    watch: int | None = Field(
        default=None,
        ge=1,
        description="Seconds between two looks of the [sensor of changed recipes](automation.md), which is then on when "
        "Dagster's daemon first starts; none: every 30 seconds, once it is switched on in the UI.",
    )
    updates: int | None = Field(
        default=None,
        ge=1,
        description="Hours between two looks of the sensor of [new releases](updates.md#every-day), which is then on when "
        "Dagster's daemon first starts; none: 24, once it is switched on.",
    )
    notify: Annotated[tuple[Recipient, ...], AfterValidator(distinct)] = Field(
        default=(),
        description="Who is told of failures, complete columns, what became solvable, and the nightly run: variables that hold "
        "the addresses, and of which events.",
    )

    @property
    def platform(self) -> str:
        """The first platform, whose packages have plain names."""
        return self.platforms[0]
