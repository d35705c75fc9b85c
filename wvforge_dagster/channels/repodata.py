"""What a channel lists: repodata.json, read through rattler, which knows every revision of it."""

from __future__ import annotations

from pathlib import Path

import rattler

from wvforge_dagster.channels.protocol import ChannelEntry
from wvforge_dagster.core.errors import ForgeError

Listing = dict[tuple[str, str], ChannelEntry]
"""Entries by subdir and filename."""


def read_repodata(path: Path, subdir: str, *, where: str) -> tuple[ChannelEntry, ...]:
    """The entries of a repodata.json in order of filename; those without a sha256 or size have ``""`` or 0.

    Args:
        where: what an error says of its place.

    Raises:
        ForgeError: if it is missing, no file, cut off or malformed.
    """
    if path.exists() and not path.is_file():
        # A named pipe would be waited for without end.
        raise ForgeError("is no file", where=where, remedy="wvforge channel verify --repair sets it aside")
    try:
        data = rattler.RepoData.from_path(path)
        records = data.into_repo_data(rattler.Channel(path.parent.parent.as_uri()))
    except FileNotFoundError:
        raise ForgeError("no such file", where=where) from None
    except Exception as error:  # rattler has no common class of its errors
        raise ForgeError(
            f"is not a repodata.json: {first_line(error)}",
            where=where,
            remedy="wvforge channel verify --repair writes it anew",
        ) from None
    entries = (
        ChannelEntry(
            subdir=subdir,
            filename=record.file_name,
            name=record.name.normalized,
            version=str(record.version),
            build=str(record.build),
            build_number=record.build_number,
            sha256=record.sha256.hex() if record.sha256 else "",
            size=record.size or 0,
            depends=tuple(record.depends),
        )
        for record in records
    )
    return tuple(sorted(entries))


def by_file(entries: tuple[ChannelEntry, ...]) -> Listing:
    return {(entry.subdir, entry.filename): entry for entry in entries}


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or its class if it says nothing."""
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
