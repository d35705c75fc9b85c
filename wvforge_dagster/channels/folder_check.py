"""A channel folder compared with its index. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from wvforge_dagster.channels import folder_index
from wvforge_dagster.channels.folder_copy import unfinished
from wvforge_dagster.channels.folder_lock import writing
from wvforge_dagster.channels.package_archive import ENDINGS, identify, is_platform, no_file
from wvforge_dagster.channels.protocol import ChannelEntry, Discrepancy, Verified
from wvforge_dagster.channels.repodata import Listing, by_file, read_repodata
from wvforge_dagster.channels.verification import ASIDE, MEND, TAKE_OUT, check_listed, check_unlisted
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.package_file import PackageFile


def verify_folder(channel: Path, *, label: str, quick: bool) -> Verified:
    """See `Channel.verify`. Only the names are read under the channel's lock: publishers need not wait for the bytes.

    Raises:
        ForgeError: if the folder cannot be read.
    """
    if not channel.is_dir():
        return Verified((), 0)
    try:
        with _unchanging(channel, label):
            listing, findings = _read_index(channel, label)
            names = _names(channel)
            findings += [
                Discrepancy(
                    f"{label}/{path.relative_to(channel)}",
                    "was left over by a publisher that ended",
                    "--repair removes it",
                )
                for path in unfinished(channel)
            ]
    except OSError as error:
        raise ForgeError(f"cannot be read: {error.strerror or error}", where=label) from None

    def measure(entry: ChannelEntry) -> tuple[int, str | None] | str | None:
        path = channel / entry.subdir / entry.filename
        if (other := no_file(path)) is not None:
            return other
        try:
            size = path.stat().st_size
            return size, None if quick or size != entry.size else PackageFile.read(path, entry.subdir).sha256
        except FileNotFoundError:
            return None
        except OSError as error:
            return f"a file that cannot be read ({error.strerror})"

    def fault_of(subdir: str, filename: str) -> str | None:
        path = channel / subdir / filename
        if (other := no_file(path)) is not None:
            return f"it is {other}"
        try:
            identify(PackageFile.read(path, subdir))
        except ForgeError as fault:
            return fault.what
        except OSError as error:
            return f"it cannot be read ({error.strerror})"
        return None

    findings += check_listed(listing, measure, label=label)
    findings += check_unlisted(names, listing, fault_of, label=label)
    unchecked = ("contents: only sizes were compared",) if quick else ()
    return Verified(tuple(sorted(findings)), len(listing), unchecked)


@contextmanager
def _unchanging(channel: Path, label: str) -> Iterator[None]:
    """Hold the channel's lock, if this process may write there at all."""
    with ExitStack() as stack:
        try:
            stack.enter_context(writing(channel, label=label, wait_s=60))
        except OSError:
            pass
        yield


def _read_index(channel: Path, label: str) -> tuple[Listing, list[Discrepancy]]:
    listing: Listing = {}
    findings = []
    half = folder_index.half_written(channel)
    for subdir in _platforms(channel):
        path = channel / subdir / "repodata.json"
        where = f"{label}/{subdir}/repodata.json"
        try:
            index = read_repodata(path, subdir, where=where)
        except ForgeError as fault:
            if path.exists() or subdir == "noarch" or any(folder_index.package_files(path.parent)):
                findings.append(Discrepancy(where, fault.what, MEND))
        else:
            listing |= by_file(index.entries)
            findings += index.findings(where, TAKE_OUT)
            if subdir in half:
                findings.append(Discrepancy(where, "is newer than its shards, which readers prefer", MEND))
    return listing, findings


def _platforms(channel: Path) -> list[str]:
    found = {path.name for path in channel.iterdir() if path.is_dir() and is_platform(path.name)}
    return sorted(found | {"noarch"})


def _names(channel: Path) -> dict[str, list[str]]:
    return {
        subdir: sorted(
            path.name
            for path in (channel / subdir).iterdir()
            if path.is_file() or path.name.endswith(ENDINGS) or ASIDE in path.suffix
        )
        for subdir in _platforms(channel)
        if (channel / subdir).is_dir()
    }
