"""What holds for a channel on a real quetz server. Skipped where quetz-server cannot be installed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import rattler
from channels.conftest import ABOUT, PROVENANCE, SUBDIRS, Samples, make_samples, provenance
from servers.real_quetz import QuetzIsMissing, RealQuetz, install_quetz

from wvforge_dagster.channels.credentials import Credentials
from wvforge_dagster.channels.patience import Patience
from wvforge_dagster.channels.quetz import quetz_service
from wvforge_dagster.channels.remote import Access
from wvforge_dagster.channels.server import ServerChannel
from wvforge_dagster.core.errors import ForgeError

pytestmark = pytest.mark.integration
PATIENCE = Patience(attempts=2, first_pause_s=0.1, upload_s=60, reading_s=30, listing_s=60)


@pytest.fixture(scope="session")
def quetz(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealQuetz]:
    """The server. What is installed stays in pytest's cache; what it keeps does not."""
    cache = request.config.cache
    assert cache is not None
    try:
        program = install_quetz(cache.mkdir("quetz-server") / "environment")
        with RealQuetz(program, tmp_path_factory.mktemp("quetz")) as running:
            yield running
    except QuetzIsMissing as missing:
        pytest.skip(f"quetz-server cannot be had: {missing}")


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return make_samples(tmp_path_factory.mktemp("samples"))


def channel(quetz: RealQuetz, *, key: str | None = None, name: str = "forge") -> ServerChannel:
    credentials = Credentials(quetz_api_key=key or quetz.key)
    return ServerChannel(quetz_service(quetz.url, name), Access(credentials, SUBDIRS, PATIENCE))


@pytest.fixture(scope="module", autouse=True)
def published(quetz: RealQuetz, samples: Samples) -> None:
    """The others start from what this leaves."""
    assert channel(quetz).entries() == ()
    found = channel(quetz).publish([samples.alpha, samples.beta], {samples.alpha.sha256: {".cdx.json": b"{}"}})
    assert [(entry.name, entry.sha256) for entry in found] == [
        ("alpha", samples.alpha.sha256),
        ("beta", samples.beta.sha256),
    ]


def test_what_was_published_is_read_back_by_a_solver_and_by_its_files(
    quetz: RealQuetz, samples: Samples, tmp_path: Path
) -> None:
    beta, alpha = channel(quetz).entries()
    assert (alpha.size, alpha.sha256) == (samples.alpha.size, samples.alpha.sha256)
    assert provenance(channel(quetz), alpha) == PROVENANCE
    assert channel(quetz).read(beta, [ABOUT])[ABOUT] is not None
    assert channel(quetz).fetch(alpha, tmp_path).sha256 == samples.alpha.sha256

    async def solve() -> list[rattler.RepoDataRecord]:
        return await rattler.solve(
            [channel(quetz).url], ["alpha", "beta"], rattler.Gateway(), platforms=["linux-64", "noarch"]
        )

    assert {record.name.normalized for record in asyncio.run(solve())} == {"alpha", "beta"}


def test_what_is_there_is_left_and_other_content_is_refused_by_us_and_by_the_server(
    quetz: RealQuetz, samples: Samples
) -> None:
    assert len(channel(quetz).publish([samples.alpha, samples.beta])) == 2
    with pytest.raises(ForgeError, match="is there with other content"):
        channel(quetz).publish([samples.alpha_again])
    with pytest.raises(ForgeError, match="is there with other content"):
        # As if another publisher had been faster: the server is asked, and refuses.
        channel(quetz)._upload(samples.alpha_again)
    assert {entry.sha256 for entry in channel(quetz).entries()} == {samples.alpha.sha256, samples.beta.sha256}


def test_a_wrong_key_is_refused_with_the_servers_words(quetz: RealQuetz, samples: Samples) -> None:
    with pytest.raises(ForgeError, match=r"HTTP 401: .*Not logged in") as caught:
        channel(quetz, key="wrong_canary").publish([samples.gamma])
    assert str(caught.value).endswith("check the key in QUETZ_API_KEY")
    assert "canary" not in str(caught.value)


def test_a_channel_that_is_not_there_is_an_error(quetz: RealQuetz, samples: Samples) -> None:
    """The server answers 500 to an upload into it, and 404 to a reader."""
    assert channel(quetz, name="nowhere").entries() == ()
    with pytest.raises(ForgeError, match=r"quetz:nowhere: gamma.* was not uploaded"):
        channel(quetz, name="nowhere").publish([samples.gamma])
