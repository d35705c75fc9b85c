"""Channels of every kind, and packages to publish to them."""

from __future__ import annotations

import importlib.util
import json
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import rattler
from rattler.networking import AuthenticationMiddleware, Client, S3Middleware
from rattler.networking.middleware import S3Config

sys.path.insert(0, str(Path(__file__).parents[1]))

from servers.anaconda_server import AnacondaServer
from servers.artifactory_server import ArtifactoryServer
from servers.cloudsmith_server import CloudsmithServer
from servers.conda_server import CondaServer
from servers.moto_server import MotoServer, S3Relay
from servers.prefix_server import PrefixServer
from servers.quetz_server import QuetzServer

from channels.packages import make_package
from wvforge_dagster.channels.anaconda import anaconda_service
from wvforge_dagster.channels.artifactory import artifactory_service
from wvforge_dagster.channels.cloudsmith import cloudsmith_service
from wvforge_dagster.channels.credentials import AwsKeys, Credentials
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.channels.patience import Patience
from wvforge_dagster.channels.prefix import prefix_service
from wvforge_dagster.channels.protocol import Channel, ChannelEntry
from wvforge_dagster.channels.quetz import quetz_service
from wvforge_dagster.channels.remote import Access
from wvforge_dagster.channels.s3 import S3Channel
from wvforge_dagster.channels.s3_calls import S3Place
from wvforge_dagster.channels.server import ServerChannel
from wvforge_dagster.core.package_file import PackageFile

KEY = "pfx_canary_0123456789"
QUICK = Patience(attempts=3, first_pause_s=0.05, upload_s=10, reading_s=5, listing_s=5)


@dataclass(frozen=True)
class Samples:
    """Packages for a whole session; nothing may change them.

    Attributes:
        alpha: a noarch package with provenance.
        alpha_again: another build of the same, of the same filename.
        beta: a package of a platform, without provenance.
        gamma: one more noarch package.
    """

    alpha: PackageFile
    alpha_again: PackageFile
    beta: PackageFile
    gamma: PackageFile


ABOUT = "info/about.json"
PROVENANCE = {"digest": "abc", "inputs": [{"name": "cumm", "sha256": "0" * 64}], "number": 3}


def provenance(channel: Channel, entry: ChannelEntry) -> object:
    """What a listed package says of how it was made."""
    content = channel.read(entry, [ABOUT])[ABOUT]
    assert content is not None
    return json.loads(content).get("extra", {}).get("wvforge")


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return make_samples(tmp_path_factory.mktemp("samples"))


def make_samples(folder: Path) -> Samples:
    found = Samples(
        alpha=make_package(folder / "1", "alpha", provenance=PROVENANCE),
        alpha_again=make_package(folder / "2", "alpha", content="other"),
        beta=make_package(folder / "1", "beta", subdir="linux-64"),
        gamma=make_package(folder / "1", "gamma"),
    )
    assert found.alpha.filename == found.alpha_again.filename
    assert found.alpha.sha256 != found.alpha_again.sha256
    return found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PrefixServer]:
    with PrefixServer(tmp_path / "server", key=KEY) as running:
        yield running


@pytest.fixture
def prefix(server: PrefixServer, tmp_path: Path) -> Callable[..., ServerChannel]:
    """Opens the server's channel ``forge``, or another; each call gives a channel that knows nothing yet."""

    def open_it(
        *, channel: str = "forge", key: str | None = KEY, url: str | None = None, patience: Patience = QUICK
    ) -> ServerChannel:
        access = Access(Credentials(prefix_api_key=key), ("noarch", "linux-64"), patience)
        return ServerChannel(prefix_service(url or server.url, channel), access)

    return open_it


SUBDIRS = ("noarch", "linux-64")
SERVERS: dict[str, type[CondaServer]] = {
    "prefix": PrefixServer,
    "quetz": QuetzServer,
    "anaconda": AnacondaServer,
    "artifactory": ArtifactoryServer,
    "cloudsmith": CloudsmithServer,
}


def open_server_channel(
    server: CondaServer, *, name: str = "forge", key: str | None = KEY, patience: Patience = QUICK
) -> ServerChannel:
    """The channel of the server's own kind, that knows nothing yet."""
    match server:
        case PrefixServer():
            service, credentials = prefix_service(server.url, name), Credentials(prefix_api_key=key)
        case QuetzServer():
            service, credentials = quetz_service(server.url, name), Credentials(quetz_api_key=key)
        case ArtifactoryServer():
            service, credentials = artifactory_service(server.url, name), Credentials(artifactory_token=key)
        case AnacondaServer():
            service = anaconda_service(server.url, server.read_url, name)
            credentials = Credentials(anaconda_api_key=key)
        case CloudsmithServer():
            service = cloudsmith_service(server.url, server.read_url, "owner", name)
            credentials = Credentials(cloudsmith_api_key=key)
        case _:
            raise TypeError(type(server).__name__)
    return ServerChannel(service, Access(credentials, SUBDIRS, patience))


@pytest.fixture(scope="session")
def moto() -> Iterator[MotoServer]:
    if importlib.util.find_spec("moto") is None or importlib.util.find_spec("boto3") is None:
        pytest.skip("moto[server] is not installed")
    with MotoServer() as running:
        yield running


@pytest.fixture
def relay(moto: MotoServer) -> Iterator[S3Relay]:
    with S3Relay(moto) as running:
        yield running


AWS = AwsKeys("AKIDCANARY", "s3_secret_canary_0123456789")


@pytest.fixture
def s3(relay: S3Relay, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., S3Channel]:
    """Opens a channel in a bucket of its own; each call gives a channel that knows nothing yet."""
    import boto3

    # Neither this machine's own configuration nor a look for Amazon's machines.
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    bucket = f"bucket-{uuid.uuid4().hex}"
    boto3.client(
        "s3",
        endpoint_url=relay.behind.url,
        region_name="us-east-1",
        aws_access_key_id=AWS.access_key_id,
        aws_secret_access_key=AWS.secret_access_key,
    ).create_bucket(Bucket=bucket)

    def open_it(
        *,
        bucket: str = bucket,
        credentials: Credentials | None = None,
        url: str | None = None,
        patience: Patience = QUICK,
    ) -> S3Channel:
        return S3Channel(
            S3Place(bucket, "channels/forge", url or relay.url, "us-east-1", path_style=True),
            Access(credentials or Credentials(aws=AWS), SUBDIRS, patience),
        )

    return open_it


@pytest.fixture(params=["file", "s3", *SERVERS])
def open_channel(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Channel]]:
    """Opens the same channel of one kind; each call gives an object that knows nothing yet."""
    if request.param == "file":
        yield lambda: FolderChannel(tmp_path / "a channel", label="file:a channel")
    elif request.param == "s3":
        yield request.getfixturevalue("s3")
    else:
        with SERVERS[request.param](tmp_path / "server", key=KEY) as running:
            yield lambda: open_server_channel(running)


@pytest.fixture
def gateway(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[Channel], rattler.Gateway]:
    """What a solver reads a channel with, configured as a user would: for S3 with rattler's own S3 configuration."""

    def make(channel: Channel) -> rattler.Gateway:
        if not channel.url.startswith("s3://"):
            return rattler.Gateway()
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", AWS.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", AWS.secret_access_key)
        config = S3Config(request.getfixturevalue("relay").url, "us-east-1", "path")
        bucket = channel.url.split("/")[2]
        return rattler.Gateway(client=Client([AuthenticationMiddleware(), S3Middleware({bucket: config})]))

    return make
