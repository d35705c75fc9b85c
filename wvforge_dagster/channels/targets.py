"""Publish targets as forge.yaml names them: one model per kind, told apart by the one key that is a kind.

What a target does is not said here: `opening` makes a channel of it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.licenses import Licenses
from wvforge_dagster.core.platforms import fits
from wvforge_dagster.core.yaml_files import tuples_of


def _is_channel_name(value: str) -> str:
    # A name is part of the address that is posted to: "../../admin" would reach another one.
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", value):
        raise ValueError(f"{value!r} is no channel name: letters a-z, digits, '_', '.', '-', a letter or digit first")
    return value


def _is_owned_name(value: str) -> str:
    owner, slash, name = value.partition("/")
    if not slash:
        raise ValueError(f"{value!r} should be owner/repository")
    return f"{_is_channel_name(owner)}/{_is_channel_name(name)}"


def _is_bucket(value: str) -> str:
    bucket, _, prefix = value.partition("/")
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket):
        raise ValueError(f"{value!r} does not begin with the name of a bucket: bucket/prefix, without s3://")
    if prefix and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*", prefix):
        raise ValueError(f"{value!r}: a prefix is of names with '/' between them, such as bucket/channels/forge")
    return value


def _is_server(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError(f"{value!r} is no address of a server, such as https://prefix.dev")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("an address holds no user, password, query or fragment: credentials come from the environment")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError(f"{value!r} would send the key in clear text: use https://")
    return value.rstrip("/")


def _is_channel_address(value: str) -> str:
    parts = urlsplit(value)
    if not re.fullmatch(r"[\x21-\x7e]+", value) or parts.scheme not in ("https", "http", "file", "s3"):
        raise ValueError(f"{value!r} is no address of a channel, such as https://conda.example.org/forge")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("an address that is shown to people holds no user, password, query or fragment")
    return value.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


ChannelName = Annotated[str, AfterValidator(_is_channel_name)]
ServerAddress = Annotated[str, AfterValidator(_is_server)]
ChannelAddress = Annotated[str, AfterValidator(_is_channel_address)]


_HYPHENS = ConfigDict(populate_by_name=True, alias_generator=lambda name: name.replace("_", "-"))
OwnedName = Annotated[str, AfterValidator(_is_owned_name)]
Bucket = Annotated[str, AfterValidator(_is_bucket)]
Page = Annotated[
    bool, Field(description="Whether it gets a [landing page](report.md#the-landing-page-of-a-channel), `index.html`.")
]
Address = Annotated[
    ChannelAddress | None,
    Field(description="Where people read it, for the lines that install its packages; none: they read `CHANNEL`."),
]


class PublishTarget(BaseModel):
    """Where packages go, and which."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    kind: ClassVar[str]

    only: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(), description="Names or patterns of the packages that go there (`cumm`, `sp*`); `[]`: all."
    )
    publish: Literal["at-once", "by-column"] = Field(
        default="at-once",
        description="Each package by itself, or those of a [column](publishing.md#whole-columns) together, once all of it "
        "passed.",
    )
    licenses: Licenses | None = Field(
        default=None,
        description="[Licenses](publishing.md#licenses) that packages may have there: `{allow: [SPDX, ...]}` or "
        "`{deny: [SPDX, ...]}`; none: any.",
    )

    @property
    def label(self) -> str:
        """The target in one word, as the user wrote it: ``file:output/channel``."""
        return f"{self.kind}:{getattr(self, self.kind)}"

    def takes(self, package_name: str) -> bool:
        """Whether packages of this name go there, as far as `only` says."""
        return not self.only or any(fits(package_name, pattern) for pattern in self.only)


class FileTarget(PublishTarget):
    """A channel in a folder."""

    kind = "file"
    file: str = Field(min_length=1, description="Its path; a relative one is relative to the forge.")
    page: Page = True
    address: Address = None


class PrefixTarget(PublishTarget):
    """A channel of prefix.dev, or of another server that speaks its protocol."""

    kind = "prefix"
    prefix: ChannelName = Field(description="The channel's name.")
    url: ServerAddress = Field(default="https://prefix.dev", description="The server.")
    attestation: bool = Field(
        default=False,
        description="Whether packages are uploaded as a trusted publisher, with an "
        "[attestation](provenance.md#attestations-on-prefixdev) that sigstore signs.",
    )


class S3Target(PublishTarget):
    """A channel in a bucket, of Amazon's S3 or of another server that speaks its protocol."""

    kind = "s3"
    model_config = _HYPHENS
    s3: Bucket = Field(description="`BUCKET` or `BUCKET/PREFIX`, without `s3://`.")
    endpoint_url: ServerAddress | None = Field(default=None, description="The server; none: Amazon's.")
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] | None = Field(
        default=None, description="None: that of the standard AWS configuration, else `us-east-1`."
    )
    force_path_style: bool = Field(
        default=False, description="Whether the bucket is named in the path of an address, not in its host."
    )
    page: Page = True
    address: Address = None


class QuetzTarget(PublishTarget):
    """A channel of a quetz server."""

    kind = "quetz"
    quetz: ChannelName = Field(description="The channel's name.")
    url: ServerAddress = Field(description="The server.")


class AnacondaTarget(PublishTarget):
    """Packages of an owner on anaconda.org."""

    kind = "anaconda"
    model_config = _HYPHENS
    anaconda: ChannelName = Field(description="The owner.")
    channel: ChannelName = Field(
        default="main", description="The label that packages get there; solvers read what has it."
    )
    url: ServerAddress = Field(default="https://api.anaconda.org", description="The server that packages are sent to.")
    read_url: ServerAddress = Field(
        default="https://conda.anaconda.org", description="The server that they are read from."
    )

    @property
    def label(self) -> str:
        return f"anaconda:{self.anaconda}" + (f"/{self.channel}" if self.channel != "main" else "")


class ArtifactoryTarget(PublishTarget):
    """A conda repository of an Artifactory server."""

    kind = "artifactory"
    artifactory: ChannelName = Field(description="The repository.")
    url: ServerAddress = Field(description="The server, such as `https://example.jfrog.io/artifactory`.")


class CloudsmithTarget(PublishTarget):
    """A repository of Cloudsmith."""

    kind = "cloudsmith"
    model_config = _HYPHENS
    cloudsmith: OwnedName = Field(description="`OWNER/REPOSITORY`.")
    url: ServerAddress = Field(
        default="https://api.cloudsmith.io/v1", description="The server that packages are sent to."
    )
    read_url: ServerAddress = Field(
        default="https://conda.cloudsmith.io", description="The server that they are read from."
    )


_KINDS: tuple[type[PublishTarget], ...] = (
    FileTarget,
    PrefixTarget,
    S3Target,
    QuetzTarget,
    AnacondaTarget,
    ArtifactoryTarget,
    CloudsmithTarget,
)
TARGETS: dict[str, type[PublishTarget]] = {model.kind: model for model in _KINDS}


def parse_target(mapping: Mapping[str, Any], where: str) -> PublishTarget:
    """One entry of forge.yaml's ``publish``.

    Args:
        mapping: the entry, such as ``{"file": "output/channel"}``.
        where: what an error says of its place, such as ``forge.yaml: publish.0``.

    Raises:
        ForgeError: naming the key, and the kinds there are if none of them is meant.
    """
    kinds = [key for key in mapping if key in TARGETS]
    known = ", ".join(TARGETS)
    if not kinds:
        given = ", ".join(str(key) for key in mapping if key not in PublishTarget.model_fields) or "nothing"
        raise ForgeError(f"no kind of channel: {given}", where=where, remedy=f"kinds: {known}")
    if len(kinds) > 1:
        raise ForgeError(f"one target is of one kind, not {' and '.join(kinds)}", where=where, remedy="write several")
    model = TARGETS[kinds[0]]
    keys = [field.alias or name for name, field in model.model_fields.items()]
    for key in mapping:
        if key not in keys:
            remedy = f"keys of a target of the kind {model.kind}: {', '.join(keys)}"
            raise ForgeError("unknown key", where=f"{where}.{key}", remedy=remedy)
    try:
        return model.model_validate({key: tuples_of(value) for key, value in mapping.items()})
    except ValidationError as error:
        raise _explain(error, where) from None


def _explain(error: ValidationError, where: str) -> ForgeError:
    """The first fault as one line."""
    first = error.errors(include_url=False)[0]
    where = ".".join([where, *(str(part) for part in first["loc"])])
    if first["type"] == "missing":
        return ForgeError("is missing", where=where)
    if first["type"] == "extra_forbidden":
        return ForgeError("unknown key", where=where, remedy=f"known keys: {', '.join(Licenses.model_fields)}")
    if first["type"] == "value_error":
        return ForgeError(first["msg"].removeprefix("Value error, "), where=where)
    wanted = first["msg"].removeprefix("Input ").replace("tuple", "list")
    return ForgeError(f"{first['input']!r}: {wanted}", where=where)
