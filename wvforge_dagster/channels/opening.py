"""From a publish target to the channel that it means: where a new kind of channel is entered."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from wvforge_dagster.channels.anaconda import anaconda_service
from wvforge_dagster.channels.artifactory import artifactory_service
from wvforge_dagster.channels.cloudsmith import cloudsmith_service
from wvforge_dagster.channels.credentials import Credentials
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.channels.prefix import prefix_service
from wvforge_dagster.channels.protocol import Channel
from wvforge_dagster.channels.quetz import quetz_service
from wvforge_dagster.channels.remote import Access
from wvforge_dagster.channels.s3 import S3Channel
from wvforge_dagster.channels.s3_calls import S3Place
from wvforge_dagster.channels.server import ServerChannel, Service
from wvforge_dagster.channels.targets import (
    AnacondaTarget,
    ArtifactoryTarget,
    CloudsmithTarget,
    FileTarget,
    PrefixTarget,
    PublishTarget,
    QuetzTarget,
    S3Target,
)


def open_channel(
    target: PublishTarget, root: Path, credentials: Credentials, *, platforms: Iterable[str] = ("linux-64",)
) -> Channel:
    """The channel that a target means. Nothing is written or connected to yet.

    Args:
        root: the folder of the forge, which relative paths are relative to.
        platforms: those of the forge; their packages and ``noarch`` are what remote channels are asked for.

    Raises:
        ForgeError: if the credentials for this kind cannot be what was meant.
    """
    access = Access(credentials, tuple(dict.fromkeys(("noarch", *platforms))))
    match target:
        case FileTarget():
            return FolderChannel(root / target.file, label=target.label)
        case S3Target():
            credentials.refuse_half_of_aws()
            bucket, _, prefix = target.s3.partition("/")
            place = S3Place(bucket, prefix, target.endpoint_url, target.region, target.force_path_style)
            return S3Channel(place, access)
    return ServerChannel(_service(target), access)


def _service(target: PublishTarget) -> Service:
    match target:
        case PrefixTarget():
            return prefix_service(target.url, target.prefix, attestation=target.attestation)
        case QuetzTarget():
            return quetz_service(target.url, target.quetz)
        case ArtifactoryTarget():
            return artifactory_service(target.url, target.artifactory)
        case AnacondaTarget():
            return anaconda_service(target.url, target.read_url, target.anaconda, target.channel)
        case CloudsmithTarget():
            owner, _, repository = target.cloudsmith.partition("/")
            return cloudsmith_service(target.url, target.read_url, owner, repository)
    raise TypeError(f"no channel is entered for {type(target).__name__}")
