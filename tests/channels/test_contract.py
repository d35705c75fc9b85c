"""What holds for a channel of every kind."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import rattler

from channels.conftest import PROVENANCE, Samples, provenance
from wvforge_dagster.channels.beside import SBOM, STATEMENT
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.channels.protocol import Channel, ChannelEntry
from wvforge_dagster.channels.s3 import S3Channel
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.package_file import PackageFile

Open = Callable[[], Channel]


def test_a_channel_without_packages_has_no_entries(open_channel: Open) -> None:
    assert open_channel().entries() == ()


def test_what_is_published_is_listed_with_name_size_and_sha256(open_channel: Open, samples: Samples) -> None:
    (entry,) = open_channel().publish([samples.alpha])
    assert entry == ChannelEntry(
        subdir="noarch",
        filename=samples.alpha.filename,
        name="alpha",
        version="1.0",
        build=entry.build,
        build_number=0,
        sha256=samples.alpha.sha256,
        size=samples.alpha.size,
    )
    assert entry.filename == f"alpha-1.0-{entry.build}.conda"
    assert open_channel().entries() == (entry,)


def test_entries_come_back_in_the_order_of_the_packages_and_are_listed_in_order_of_subdir_and_filename(
    open_channel: Open, samples: Samples
) -> None:
    given = [samples.gamma, samples.beta, samples.alpha]
    published = open_channel().publish(given)
    assert [(entry.subdir, entry.filename) for entry in published] == [(file.subdir, file.filename) for file in given]
    assert [entry.name for entry in open_channel().entries()] == ["beta", "alpha", "gamma"]


def test_publishing_nothing_returns_nothing(open_channel: Open) -> None:
    assert open_channel().publish([]) == ()


def test_one_object_sees_what_it_and_others_published(open_channel: Open, samples: Samples) -> None:
    one, other = open_channel(), open_channel()
    one.publish([samples.alpha])
    other.publish([samples.gamma])
    one.publish([samples.beta])
    assert [entry.name for entry in one.entries()] == ["beta", "alpha", "gamma"]
    assert one.entries() == other.entries() == open_channel().entries()


def test_publishing_again_leaves_what_is_there(open_channel: Open, samples: Samples) -> None:
    first = open_channel().publish([samples.alpha, samples.beta])
    again = open_channel().publish([samples.alpha, samples.beta, samples.alpha])
    assert again == (*first, first[0])
    assert len(open_channel().entries()) == 2


def test_a_filename_is_refused_for_other_content_before_anything_is_written(
    open_channel: Open, samples: Samples
) -> None:
    open_channel().publish([samples.alpha])
    with pytest.raises(ForgeError, match="is there with other content") as caught:
        open_channel().publish([samples.gamma, samples.alpha_again])
    assert samples.alpha.sha256[:12] in str(caught.value)
    assert [entry.sha256 for entry in open_channel().entries()] == [samples.alpha.sha256]


def test_two_packages_of_one_filename_are_refused(open_channel: Open, samples: Samples) -> None:
    with pytest.raises(ForgeError, match="with other content"):
        open_channel().publish([samples.alpha, samples.alpha_again])
    assert open_channel().entries() == ()


def test_files_of_a_package_are_read(open_channel: Open, samples: Samples) -> None:
    alpha, gamma = open_channel().publish([samples.alpha, samples.gamma])
    for channel in (open_channel(), open_channel()):
        assert provenance(channel, alpha) == PROVENANCE
        assert provenance(channel, gamma) is None
        assert channel.read(alpha, ["info/nothing"]) == {"info/nothing": None}


def test_a_package_is_fetched_as_it_was_published(open_channel: Open, samples: Samples, tmp_path: Path) -> None:
    (entry,) = open_channel().publish([samples.beta])
    folder = tmp_path / "fetched"
    folder.mkdir()
    file = open_channel().fetch(entry, folder)
    assert (file.subdir, file.filename, file.sha256, file.size) == (
        samples.beta.subdir,
        samples.beta.filename,
        samples.beta.sha256,
        samples.beta.size,
    )


def test_notes_are_kept_each_once_or_not_at_all(open_channel: Open, samples: Samples) -> None:
    (entry,) = open_channel().publish([samples.alpha])
    assert open_channel().notes(entry) == ()
    one, two = {"record": "1"}, {"record": "2"}
    open_channel().add_notes(entry, [one])
    open_channel().add_notes(entry, [one, two])
    assert open_channel().notes(entry) in ((one, two), ())
    assert [found.filename for found in open_channel().entries()] == [entry.filename]


def test_documents_lie_beside_a_package_or_nowhere_and_are_no_packages(
    open_channel: Open, samples: Samples, tmp_path: Path
) -> None:
    documents = {file.sha256: {SBOM: b"sbom", STATEMENT: b"statement"} for file in (samples.alpha, samples.gamma)}
    channel = open_channel()
    channel.publish([samples.alpha])
    channel.publish([samples.alpha, samples.gamma, samples.beta], documents)
    open_channel().publish([samples.alpha], {samples.alpha.sha256: {SBOM: b"another", STATEMENT: b"statement"}})
    assert [entry.name for entry in open_channel().entries()] == ["beta", "alpha", "gamma"]
    place = f"noarch/{samples.alpha.filename}"
    kept = {name: read_beside(open_channel(), name) for name in (f"{place}{SBOM}", f"{place}{STATEMENT}")}
    if channel.keeps_documents:
        assert list(kept.values()) == [b"another", b"statement"]
        assert read_beside(channel, f"noarch/{samples.gamma.filename}{SBOM}") == b"sbom"
    else:
        assert list(kept.values()) == [None, None]


def read_beside(channel: Channel, name: str) -> bytes | None:
    """A file of the channel, as a reader without its index gets it."""
    if isinstance(channel, S3Channel):
        found = channel._store.read(name)
        return found.content if found else None
    if isinstance(channel, FolderChannel):
        path = channel.path / name
        assert path.stat().st_mode & 0o444 == 0o444
        return path.read_bytes()
    return None


def test_a_package_that_changed_since_it_was_measured_is_refused(
    open_channel: Open, samples: Samples, tmp_path: Path
) -> None:
    path = tmp_path / samples.alpha.filename
    shutil.copy(samples.alpha.path, path)
    package = PackageFile.read(path, "noarch")
    shutil.copy(samples.alpha_again.path, path)
    with pytest.raises(ForgeError, match="changed since it was measured"):
        open_channel().publish([package])
    assert open_channel().entries() == ()


@pytest.mark.parametrize("content", [b"", b"no archive at all", None])
def test_a_file_that_is_no_package_is_refused_by_name(
    open_channel: Open, samples: Samples, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / samples.alpha.filename
    path.write_bytes(samples.alpha.path.read_bytes()[:-400] if content is None else content)
    with pytest.raises(ForgeError, match="is not a conda package") as caught:
        open_channel().publish([samples.gamma, PackageFile.read(path, "noarch")])
    assert str(path) in str(caught.value)
    assert open_channel().entries() == ()


def test_a_package_is_refused_under_another_name_or_platform(
    open_channel: Open, samples: Samples, tmp_path: Path
) -> None:
    renamed = tmp_path / "delta-1.0-0.conda"
    shutil.copy(samples.alpha.path, renamed)
    with pytest.raises(ForgeError, match=r"holds the package alpha-1\.0"):
        open_channel().publish([PackageFile.read(renamed, "noarch")])
    with pytest.raises(ForgeError, match="belongs to linux-64, not to noarch"):
        open_channel().publish([PackageFile.read(samples.beta.path, "noarch")])
    with pytest.raises(ForgeError, match="not the name of a platform"):
        open_channel().publish([PackageFile.read(samples.beta.path, "../linux-64")])
    assert open_channel().entries() == ()


def test_a_solver_finds_the_package_by_the_url(
    open_channel: Open, samples: Samples, gateway: Callable[[Channel], rattler.Gateway]
) -> None:
    channel = open_channel()
    channel.publish([samples.alpha, samples.beta])
    specs = [rattler.MatchSpec("alpha"), rattler.MatchSpec("beta")]
    found = asyncio.run(
        rattler.solve(sources=[channel.url], specs=specs, platforms=["noarch", "linux-64"], gateway=gateway(channel))
    )
    assert {record.name.normalized: record.sha256.hex() for record in found if record.sha256} == {
        "alpha": samples.alpha.sha256,
        "beta": samples.beta.sha256,
    }


def test_it_can_be_used_where_an_event_loop_runs(open_channel: Open, samples: Samples) -> None:
    async def inside() -> tuple[ChannelEntry, ...]:
        channel = open_channel()
        channel.publish([samples.alpha])
        assert provenance(channel, channel.entries()[0]) == PROVENANCE
        return channel.entries()

    assert len(asyncio.run(inside())) == 1


def test_a_package_that_is_removed_is_listed_no_more_and_the_others_stay(open_channel: Open, samples: Samples) -> None:
    alpha, beta, gamma = open_channel().publish([samples.alpha, samples.beta, samples.gamma])
    open_channel().add_notes(alpha, [{"record": "1"}])
    if open_channel().label.startswith("cloudsmith"):
        with pytest.raises(
            ForgeError, match="are not removed from channels of the kind cloudsmith; do it on its website"
        ):
            open_channel().ensure_removable()
        return
    open_channel().ensure_removable()
    open_channel().remove([alpha])
    assert open_channel().entries() == (beta, gamma)
    assert provenance(open_channel(), beta) is None
    assert open_channel().notes(alpha) == ()
    open_channel().remove([alpha])
    assert open_channel().verify().findings == ()
    (again,) = open_channel().publish([samples.alpha_again])
    assert again.sha256 == samples.alpha_again.sha256
    with pytest.raises(ForgeError, match="is listed with other content now"):
        open_channel().remove([gamma, alpha])
    assert len(open_channel().entries()) == 3


def test_a_channel_in_order_is_verified_without_a_finding(open_channel: Open, samples: Samples) -> None:
    assert open_channel().verify().findings == ()
    open_channel().publish([samples.alpha, samples.beta])
    for quick in (False, True):
        found = open_channel().verify(quick=quick)
        assert (found.findings, found.checked) == ((), 2)
        assert ("contents: only sizes were compared" in found.unchecked) == quick


def test_an_index_is_written_anew_or_that_is_the_servers_own_business(open_channel: Open, samples: Samples) -> None:
    published = open_channel().publish([samples.alpha, samples.beta])
    try:
        assert open_channel().reindex() == ()
    except ForgeError as refused:
        assert "its server writes the index itself" in str(refused)
    assert open_channel().entries() == (published[1], published[0])
