"""What every kind of channel decides alike: what is to be put, what is refused, and when it is published."""

from __future__ import annotations

from collections.abc import Sequence

from wvforge_dagster.channels.protocol import ChannelEntry
from wvforge_dagster.channels.repodata import Listing
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.package_file import PackageFile


def not_yet_listed(packages: Sequence[PackageFile], listing: Listing, label: str) -> tuple[PackageFile, ...]:
    """The packages that a channel does not list yet, each once.

    Raises:
        ForgeError: if one of them is listed with other content, or two of them are one file with different content.
    """
    missing: dict[tuple[str, str], PackageFile] = {}
    for package in packages:
        key = (package.subdir, package.filename)
        listed = listing.get(key)
        twin = missing.setdefault(key, package)
        if twin.sha256 != package.sha256:
            raise ForgeError(f"is also {twin.path}, with other content", where=str(package.path))
        if listed is not None:
            del missing[key]
            if listed.sha256 != package.sha256:
                raise taken(package, listed.sha256, label)
    return tuple(missing.values())


def taken(package: PackageFile, sha256: str, label: str) -> ForgeError:
    """The error that a channel has another package under this filename."""
    return ForgeError(
        f"{package.subdir}/{package.filename} is there with other content "
        f"(sha256 {sha256[:12]}, not {package.sha256[:12]})",
        where=label,
        remedy="a filename is never used again: raise the build number",
    )


def confirm(wanted: Sequence[ChannelEntry], listing: Listing, label: str) -> tuple[ChannelEntry, ...]:
    """The entries of a channel's own repodata, in the order of `wanted`.

    Raises:
        ForgeError: naming the first that is not listed with the wanted name, size and sha256.
    """
    for entry in wanted:
        listed = listing.get((entry.subdir, entry.filename))
        if listed is None:
            raise ForgeError(f"{entry.subdir}/{entry.filename} is not in its repodata after publishing", where=label)
        for what in ("name", "size", "sha256"):
            if getattr(listed, what) != getattr(entry, what):
                raise ForgeError(
                    f"{entry.subdir}/{entry.filename} is listed with {what} {getattr(listed, what)}, "
                    f"but {getattr(entry, what)} was published",
                    where=label,
                )
    return tuple(listing[entry.subdir, entry.filename] for entry in wanted)


def still_listed(entries: Sequence[ChannelEntry], listing: Listing, label: str) -> tuple[ChannelEntry, ...]:
    """Those of `entries` that a channel lists, and that can be removed.

    Raises:
        ForgeError: if one is listed with another content: it is not what was meant.
    """
    found = []
    for entry in dict.fromkeys(entries):
        listed = listing.get((entry.subdir, entry.filename))
        if listed is not None and listed.sha256 != entry.sha256:
            raise ForgeError(
                f"{entry.subdir}/{entry.filename} is listed with other content now (sha256 {listed.sha256[:12]})",
                where=label,
                remedy="look again",
            )
        if listed is not None:
            found.append(entry)
    return tuple(found)
