"""What a channel lists: repodata.json, read through rattler, which knows every revision of it.

The only place where entries of an index are made. Rattler takes every file name that an index has for a record, also
``/etc/x.conda`` and ``../x.conda``. Names become paths, of files and on servers, so others than a record's own are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import rattler

from wvforge_dagster.channels.package_archive import ENDINGS, is_platform
from wvforge_dagster.channels.protocol import ChannelEntry, Discrepancy
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.rattler_calls import first_line

LARGEST_INDEX = 32 * 2**20
"""Bytes that the index of one platform may have, unpacked: some 50,000 packages. Larger ones are not read: they could take
any amount of memory and time, and a forge publishes to channels of its own, which are far smaller."""

REPAIR = "wvforge channel verify --repair writes it anew"
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!~-]*")
"""What names, versions and builds are made of (CEP 26), joined by hyphens: no separator, no NUL, nothing that an address
gives a meaning to or a terminal obeys."""
_SHOWN = 5

Listing = dict[tuple[str, str], ChannelEntry]
"""Entries by subdir and filename."""


@dataclass(frozen=True)
class Index:
    """The index of one platform.

    Attributes:
        entries: in order of filename.
        misnamed: the file names that were refused: no package's own, so they count as nothing.
    """

    entries: tuple[ChannelEntry, ...] = ()
    misnamed: tuple[str, ...] = ()

    def findings(self, where: str, remedy: str) -> list[Discrepancy]:
        """What is wrong with the index itself, in words that no name can make long, or break."""
        if not self.misnamed:
            return []
        shown = ", ".join(ascii(name if len(name) <= 80 else f"{name[:80]}...") for name in self.misnamed[:_SHOWN])
        more = f" and {len(self.misnamed) - _SHOWN} more" if len(self.misnamed) > _SHOWN else ""
        return [Discrepancy(where, f"lists file names that are not their package's own: {shown}{more}", remedy)]


def read_repodata(path: Path, subdir: str, *, where: str, remedy: str | None = REPAIR) -> Index:
    """A repodata.json; entries without a sha256 or size have ``""`` or 0.

    Args:
        where: what an error says of its place.
        remedy: what an error says of an index that cannot be read.

    Raises:
        ForgeError: if it is missing, no file, too large, cut off, malformed, or `subdir` is no platform.
    """
    if not is_platform(subdir):
        raise ForgeError(f"{subdir!r} is not the name of a platform", where=where)
    if path.exists() and not path.is_file():
        # A named pipe would be waited for without end.
        raise ForgeError("is no file", where=where, remedy="wvforge channel verify --repair sets it aside")
    try:
        if path.stat().st_size > LARGEST_INDEX:
            raise too_large(where, remedy)
        data = rattler.RepoData.from_path(path)
        records = data.into_repo_data(rattler.Channel(path.parent.parent.as_uri()))
    except FileNotFoundError:
        raise ForgeError("no such file", where=where) from None
    except ForgeError:
        raise
    except Exception as error:  # rattler has no common class of its errors
        raise ForgeError(f"is not a repodata.json: {first_line(error)}", where=where, remedy=remedy) from None
    entries, misnamed = [], []
    for record in records:
        entry = _entry(record, subdir)
        if _is_own_name(entry) or _is_own_name(replace(entry, name=record.name.source)):
            entries.append(entry)
        else:
            misnamed.append(entry.filename)
    return Index(tuple(sorted(entries)), tuple(sorted(misnamed)))


def _entry(record: rattler.RepoDataRecord, subdir: str) -> ChannelEntry:
    return ChannelEntry(
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


def _is_own_name(entry: ChannelEntry) -> bool:
    """Whether a file name is ``NAME-VERSION-BUILD.conda`` or ``.tar.bz2`` of the package that its entry describes."""
    stem = f"{entry.name}-{entry.version}-{entry.build}"
    return is_plain_name(entry.filename) and entry.filename in [stem + ending for ending in ENDINGS]


def is_plain_name(filename: str) -> bool:
    """Whether a file name can be one of a package at all: a single name of a file, in any folder and at any address."""
    return _WORD.fullmatch(filename) is not None and filename.endswith(ENDINGS)


def too_large(where: str, remedy: str | None = None) -> ForgeError:
    """The error that an index is not read because of its size."""
    return ForgeError(
        f"has more than the {LARGEST_INDEX // 2**20} MiB that an index may have", where=where, remedy=remedy
    )


def by_file(entries: tuple[ChannelEntry, ...]) -> Listing:
    return {(entry.subdir, entry.filename): entry for entry in entries}
