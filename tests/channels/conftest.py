"""Channels of every kind, and packages to publish to them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from servers.prefix_server import PrefixServer

from channels.packages import make_package
from wvforge_dagster.channels.credentials import Credentials
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.channels.patience import Patience
from wvforge_dagster.channels.prefix import PrefixChannel
from wvforge_dagster.channels.protocol import Channel, ChannelEntry
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
    folder = tmp_path_factory.mktemp("samples")
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
def prefix(server: PrefixServer, tmp_path: Path) -> Callable[..., PrefixChannel]:
    """Opens the server's channel ``forge``, or another; each call gives a channel that knows nothing yet."""

    def open_it(
        *, channel: str = "forge", key: str | None = KEY, url: str | None = None, patience: Patience = QUICK
    ) -> PrefixChannel:
        return PrefixChannel(
            url=url or server.url,
            channel=channel,
            subdirs=("noarch", "linux-64"),
            credentials=Credentials(prefix_api_key=key),
            patience=patience,
        )

    return open_it


@pytest.fixture(params=["file", "prefix"])
def open_channel(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Channel]:
    """Opens the same channel of one kind; each call gives an object that knows nothing yet."""
    if request.param == "file":
        return lambda: FolderChannel(tmp_path / "a channel", label="file:a channel")
    opener: Callable[..., PrefixChannel] = request.getfixturevalue("prefix")
    return opener
