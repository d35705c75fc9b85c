"""forge.yaml: what a forge is made of, and its defaults.

Every key is optional: an empty forge.yaml is a forge with ``variants.yaml`` and ``pkgs/*/recipe/recipe.yaml`` beside
it that publishes to the folder ``output/channel``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from wvforge_dagster.core.architectures import NOTHING_DECLARED, Architectures
from wvforge_dagster.core.classes import Classes, ClassSettings
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.limits import Limits, SomeLimits
from wvforge_dagster.core.platforms import PLATFORMS
from wvforge_dagster.core.severity import Checks, SomeChecks, off_of_yaml
from wvforge_dagster.core.yaml_files import read_yaml

CONFIG_NAME = "forge.yaml"
_LONGEST = 1000


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class FileChannel(_Settings):
    """A channel in a folder; relative paths are relative to the forge."""

    file: str = Field(min_length=1)


def _is_channel_name(value: str) -> str:
    if re.match(r"(\.|/|~)", value):
        raise ValueError(f"{value!r} looks like a path: write {{file: {value}}}")
    return value


class VariantFile(_Settings):
    """A variant file, and the content that it must have; or one that a version of a package of the upstream channels holds,
    such as conda-forge-pinning."""

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


PlatformName = Annotated[str, AfterValidator(_is_platform)]

ChannelName = Annotated[str, Field(min_length=1), AfterValidator(_is_channel_name)]


class CompilerCacheSettings(_Settings):
    """A cache of what compilers made, which builds share."""

    size_gib: float = Field(
        default=20.0, gt=0, allow_inf_nan=False, description="Most that it takes on the disk, in GiB."
    )
    folder: str | None = Field(
        default=None,
        min_length=1,
        description="Where it lies, relative to the forge; none: cache/compilers in its output.",
    )


DeploymentName = Literal["one-machine", "celery", "kubernetes"]


class Forge(_Settings):
    """The settings of a forge, as read from forge.yaml."""

    channels: tuple[ChannelName | FileChannel, ...] = Field(
        default=("conda-forge",),
        description="Upstream channels, in order of priority: names, addresses, or {file: PATH}; [] for none.",
    )
    upstream: str | None = Field(
        default=None, description="Manifest of an embedded upstream channel, assembled by `wvforge upstream`."
    )
    publish: tuple[dict[str, Any], ...] = Field(
        default=({"file": "output/channel"},),
        description="Publish targets, each a kind and its address: {file: PATH}, {prefix: NAME}.",
    )
    variants: tuple[Annotated[VariantFile, BeforeValidator(_as_file)], ...] = Field(
        default=(VariantFile(file="variants.yaml"),),
        description="Variant files, in order; the keys of later ones win. {file: NAME, sha256: HEX} locks the content of one; "
        '{package: conda-forge-pinning, version: "..."} is one that a package of the upstream channels holds.',
    )
    recipes: tuple[str, ...] = Field(
        default=("pkgs/*/recipe/recipe.yaml", "pkgs/*/recipe.yaml"),
        min_length=1,
        description="Patterns of recipe files, relative to the forge.",
    )
    output: str = Field(
        default="output", min_length=1, description="Folder of the staging channel, logs, caches and work folders."
    )
    staging: dict[str, Any] | None = Field(
        default=None,
        description="The staging channel that several machines share, {s3: BUCKET/PREFIX} or {file: PATH}; none: a folder of "
        "the output, this machine's own.",
    )
    platforms: tuple[PlatformName, ...] = Field(
        default=("linux-64",),
        min_length=1,
        description="The platforms that are built for; the packages of the first have plain names, and noarch ones are its. "
        "`platform: NAME` means one.",
    )
    deployment: DeploymentName = Field(
        default="one-machine",
        description="What Dagster's runs are executed by: this machine, Celery workers, or Kubernetes. WVFORGE_DEPLOYMENT "
        "stands above it.",
    )
    classes: Classes
    limits: Limits = Limits()
    compiler_cache: CompilerCacheSettings | None = Field(
        default=None,
        alias="compiler-cache",
        description="A cache of what compilers made: {size_gib: 20, folder: PATH}, {} for the defaults; none: there is none, "
        "because what one build writes to it, others take for theirs.",
    )
    isolation: Annotated[Literal["auto", "required", "off"], BeforeValidator(off_of_yaml)] = Field(
        default="auto",
        description="Builds and tests run in a sandbox: where there is one (with a warning where not), always, or never.",
    )
    readable: tuple[str, ...] = Field(
        default=(), description="Files and folders that builds in a sandbox may read besides; ~ is the home folder."
    )
    checks: Checks = Field(
        default=Checks(), description="What the findings of the package checks weigh: error, warning or off, by check."
    )
    network: bool = Field(default=True, description="Whether build scripts may use the network.")
    architectures: Annotated[Architectures, BeforeValidator(_as_architectures)] = Field(
        default=NOTHING_DECLARED,
        description="CUDA architectures that packages carry code for: a list for all CUDA releases, or lists by release.",
    )
    gpu_tests: Literal["shown", "required"] = Field(
        default="shown",
        alias="gpu-tests",
        description="Whether packages whose GPU tests have not passed on a GPU may be published.",
    )
    rebuild: Literal["raise", "refuse"] = Field(
        default="raise",
        description="When inputs changed and the recipe's build number did not: raise the number, or refuse to build.",
    )
    rebuild_on: tuple[Literal["pinned", "host", "build", "engine", "compilers", "isolation"], ...] = Field(
        default=("pinned",),
        alias="rebuild-on",
        description="Recorded parts whose change rebuilds. By the nightly run: `pinned` (a host package that no longer fits "
        "the package's own requirements), `host`, `build` (any change of that environment). By every run: `engine`, "
        "`compilers`, `isolation`.",
    )
    nightly: str | None = Field(
        default=None,
        description="When the nightly run starts by itself, as five cron fields; none: it is started by hand.",
    )

    @property
    def platform(self) -> str:
        """The first platform, whose packages have plain names."""
        return self.platforms[0]

    watch: int | None = Field(
        default=None,
        ge=1,
        description="Seconds between two looks of the sensor of changed recipes, which is then on when Dagster's daemon first "
        "starts; none: every 30 seconds, once it is switched on.",
    )


def load_forge(root: Path) -> Forge:
    """Read `root`/forge.yaml.

    Raises:
        ForgeError: naming the file and the key, if it is missing, malformed, or has an unknown key.
    """
    path = root / CONFIG_NAME
    data = read_yaml(path, remedy="a forge is a folder with a forge.yaml: give its place with --forge or WVFORGE_FORGE")
    if data is None:
        data = {}
    if not isinstance(data, Mapping):
        raise ForgeError(f"holds a {type(data).__name__}, not keys and values", where=str(path))
    _refuse_odd_texts(data, path)
    _refuse_old_keys(data, path)
    try:
        return Forge.model_validate(_tuples(_with_platforms(data, path)))
    except ValidationError as error:
        raise _explain(error, path, data) from None


def _refuse_odd_texts(value: Any, path: Path, *keys: str) -> None:
    """No name, address or pattern has a NUL or a thousand characters, and no path can."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            _refuse_odd_texts(item, path, *keys, str(key)[:50])
    elif isinstance(value, list):
        for position, item in enumerate(value):
            _refuse_odd_texts(item, path, *keys, str(position))
    elif isinstance(value, str) and (len(value) > _LONGEST or "\0" in value):
        what = "holds a NUL character" if "\0" in value else f"is longer than {_LONGEST} characters"
        raise ForgeError(what, where=f"{path}: {'.'.join(keys)}")


def _with_platforms(data: Mapping[Any, Any], path: Path) -> Mapping[Any, Any]:
    """`data` with ``platform: NAME`` written as ``platforms: [NAME]``, and no platform twice."""
    if "platform" in data:
        if "platforms" in data:
            raise ForgeError("is given beside platforms", where=f"{path}: platform", remedy="remove it")
        data = {key: value for key, value in data.items() if key != "platform"} | {"platforms": [data["platform"]]}
    given = data.get("platforms")
    if isinstance(given, list) and len({str(name) for name in given}) < len(given):
        raise ForgeError("names a platform twice", where=f"{path}: platforms", remedy="remove one")
    return data


def _refuse_old_keys(data: Mapping[Any, Any], path: Path) -> None:
    limits = data.get("limits")
    for key, has, now in (
        ("heavy", "heavy" in data, "packages: [...]"),
        ("limits.heavy", isinstance(limits, Mapping) and "heavy" in limits, "hours: ..., memory_gib: ..."),
    ):
        if has:
            raise ForgeError(
                "is no key any more", where=f"{path}: {key}", remedy=f"write classes: {{heavy: {{{now}}}}}"
            )


def _tuples(value: Any) -> Any:
    """Lists as tuples, which is what a strict frozen model takes."""
    if isinstance(value, Mapping):
        return {key: _tuples(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(_tuples(item) for item in value)
    return value


def _model_at(location: Sequence[str | int]) -> type[BaseModel]:
    """The model whose key the last part of a location is."""
    if len(location) == 1:
        return Forge
    holders: dict[str | int, type[BaseModel]] = {
        "variants": VariantFile,
        "channels": FileChannel,
        "classes": ClassSettings,
        "compiler-cache": CompilerCacheSettings,
    }
    models = (Checks, SomeChecks) if location[0] == "checks" else (Limits, SomeLimits)
    return holders.get(location[0]) or models[0 if len(location) == 2 else 1]


def _explain(error: ValidationError, path: Path, data: Mapping[Any, Any]) -> ForgeError:
    """The first fault of a forge.yaml as one line."""
    first = error.errors()[0]
    location = [
        part
        for part in first["loc"]
        if isinstance(part, int) or not re.match(r"(function|constrained)-|str$|FileChannel$", part)
    ]
    is_key = location[-1:] == ["[key]"]
    location = [part for part in location if part != "[key]"]
    key = ".".join(str(part) for part in location)
    where = f"{path}: {key}" if key else str(path)
    if first["type"] == "extra_forbidden":
        known = _model_at(location).model_fields
        names = (field.alias or name for name, field in known.items())
        return ForgeError("unknown key", where=where, remedy=f"known keys: {', '.join(names)}")
    if first["type"] == "missing":
        return ForgeError("is missing", where=where)
    message = re.sub(r"^(Value error, |Input should be |String should )", "", first["msg"]).replace("tuple", "list")
    message = re.sub(r"^a valid dictionary( or instance of \w+)?$", "keys and values", message)
    if first["msg"].startswith("String should "):
        return ForgeError(f"{first['input']!r} should {message}", where=where)
    given = first.get("input")
    if given is not None and not isinstance(given, (dict, tuple)) and repr(given) not in message:
        what = f"the key {given!r}" if is_key else repr(given)
        message = f"{what} is wrong: should be {message}" if first["type"] != "value_error" else message
    elif first["type"] != "value_error":
        message = f"should be {message}"
    return ForgeError(message, where=where)
