"""What a package archive says of itself, and whether it can be read at all."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

from rattler.package import IndexJson
from rattler.package_streaming import PackageArchive
from rattler.platform import Subdir

from wvforge_dagster.channels.protocol import ChannelEntry
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.package_file import PackageFile
from wvforge_dagster.rattler_calls import first_line, wait_for

ENDINGS = (".conda", ".tar.bz2")


def identify(package: PackageFile) -> ChannelEntry:
    """The entry that a channel should list for this package.

    Raises:
        ForgeError: if it is missing, cannot be read, is named otherwise than by its content, or belongs elsewhere.
    """
    where = str(package.path)
    if not is_platform(package.subdir):
        raise ForgeError(f"{package.subdir!r} is not the name of a platform", where=where)
    if not package.path.exists():
        raise ForgeError("no such file", where=where)
    fault = unreadable(package.path)
    if fault is not None:
        raise ForgeError(f"is not a conda package: {fault}", where=where, remedy="build it again")
    index = IndexJson.from_package_archive(package.path)
    name, version, build = index.name.normalized, str(index.version), str(index.build)
    expected = f"{name}-{version}-{build}"
    if package.filename not in {expected + ending for ending in ENDINGS}:
        raise ForgeError(f"holds the package {expected}", where=where, remedy="a package is named as what it holds")
    if index.subdir not in (None, package.subdir):
        raise ForgeError(f"belongs to {index.subdir}, not to {package.subdir}", where=where)
    return ChannelEntry(
        subdir=package.subdir,
        filename=package.filename,
        name=name,
        version=version,
        build=build,
        build_number=index.build_number,
        sha256=package.sha256,
        size=package.size,
    )


def check_unchanged(package: PackageFile) -> None:
    """Raise ForgeError if the file is no longer what was measured."""
    if PackageFile.read(package.path, package.subdir) != package:
        raise ForgeError("changed since it was measured", where=str(package.path), remedy="build it again")


def is_platform(subdir: str) -> bool:
    """Whether packages for a platform of this name exist at all, such as ``noarch`` or ``linux-64``."""
    try:
        Subdir(subdir)
    except Exception:  # rattler has no common class of its errors
        return False
    return True


def no_file(path: Path) -> str | None:
    """What is at `path` instead of a regular file, such as ``a named pipe``; None if it is one, or nothing is there.

    Nothing else may be opened: a named pipe is waited for without end. A link is what it leads to.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return "a link that leads nowhere" if path.is_symlink() else None
    if stat.S_ISREG(mode):
        return None
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"))
    return next((words for is_kind, words in kinds if is_kind(mode)), "a device")


def unreadable(path: Path) -> str | None:
    """Why the archive at `path` cannot be indexed, or None if it can.

    Indexing such a file ends in a panic that names no file (py-rattler 0.28), so it is asked before.
    """
    if (other := no_file(path)) is not None:
        return f"it is {other}"
    try:
        IndexJson.from_package_archive(path)
    except Exception as error:  # rattler has no common class of its errors
        return first_line(error)
    return None


def read_files(path: Path, names: Sequence[str]) -> dict[str, bytes | None]:
    """Files of the package archive at `path` by their names in it; None for those that it lacks.

    Raises:
        ForgeError: if it is missing or cannot be read.
    """
    if (other := no_file(path)) is not None:
        raise ForgeError(f"cannot be read: it is {other}", where=str(path), remedy="look at it, and remove it by hand")

    async def read() -> dict[str, bytes | None]:
        return await (await PackageArchive.from_path(path)).read_files(names)

    try:
        return wait_for(read())
    except Exception as error:  # rattler has no common class of its errors
        raise ForgeError(f"cannot be read: {first_line(error)}", where=str(path)) from None
