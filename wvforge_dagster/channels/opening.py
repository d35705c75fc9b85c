"""From a publish target to the channel that it means: where a new kind of channel is entered."""

from __future__ import annotations

from pathlib import Path

from wvforge_dagster.channels.anaconda import AnacondaChannel
from wvforge_dagster.channels.artifactory import ArtifactoryChannel
from wvforge_dagster.channels.cloudsmith import CloudsmithChannel
from wvforge_dagster.channels.credentials import Credentials
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.channels.prefix import PrefixChannel
from wvforge_dagster.channels.protocol import Channel
from wvforge_dagster.channels.quetz import QuetzChannel
from wvforge_dagster.channels.s3 import S3Channel
from wvforge_dagster.channels.s3_calls import S3Place
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


def open_channel(target: PublishTarget, root: Path, credentials: Credentials, *, platform: str = "linux-64") -> Channel:
    """The channel that a target means. Nothing is written or connected to yet.

    Args:
        root: the folder of the forge, which relative paths are relative to.
        platform: the platform of the forge; its packages and ``noarch`` are what remote channels are asked for.

    Raises:
        ForgeError: if the credentials for this kind cannot be what was meant.
    """
    subdirs = tuple(dict.fromkeys(("noarch", platform)))
    match target:
        case FileTarget():
            return FolderChannel(root / target.file, label=target.label)
        case PrefixTarget():
            return PrefixChannel(
                url=target.url,
                channel=target.prefix,
                subdirs=subdirs,
                credentials=credentials,
                attestation=target.attestation,
            )
        case S3Target():
            credentials.refuse_half_of_aws()
            bucket, _, prefix = target.s3.partition("/")
            place = S3Place(bucket, prefix, target.endpoint_url, target.region, target.force_path_style)
            return S3Channel(place, subdirs=subdirs, credentials=credentials)
        case QuetzTarget():
            return QuetzChannel(url=target.url, channel=target.quetz, subdirs=subdirs, credentials=credentials)
        case ArtifactoryTarget():
            return ArtifactoryChannel(
                url=target.url, repository=target.artifactory, subdirs=subdirs, credentials=credentials
            )
        case AnacondaTarget():
            return AnacondaChannel(
                url=target.url,
                read_url=target.read_url,
                owner=target.anaconda,
                channel=target.channel,
                subdirs=subdirs,
                credentials=credentials,
            )
        case CloudsmithTarget():
            owner, _, repository = target.cloudsmith.partition("/")
            return CloudsmithChannel(
                url=target.url,
                read_url=target.read_url,
                owner=owner,
                repository=repository,
                subdirs=subdirs,
                credentials=credentials,
            )
    raise TypeError(f"no channel is entered for {type(target).__name__}")
