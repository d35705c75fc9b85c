"""Digests of values, of files, and of what is in a package.

The *content digest* is a hash over what a package holds and what solvers see of it, without times, the build's number and
the record of how it was made, so that two builds of the same thing compare equal (the engine's archives are not
reproducible to the bit, their payload is). What went into a package is `core.inputs`.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

_encoder = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical(value: Any) -> str:
    """JSON with one spelling for one value."""
    return _encoder.encode(value)


def digest(value: Any) -> str:
    """sha256 in hex over the canonical JSON of `value`."""
    return hashlib.sha256(canonical(value).encode("utf-8", "surrogateescape")).hexdigest()


def content_digest(
    index: Mapping[str, Any],
    paths: Iterable[Mapping[str, Any]],
    about: Mapping[str, Any],
    run_exports: Mapping[str, Any],
) -> str:
    """The content digest of a package.

    Args:
        index: its info/index.json.
        paths: the entries of its info/paths.json.
        about: its info/about.json.
        run_exports: its info/run_exports.json; empty if it has none.
    """
    return digest(
        {
            "run_exports": dict(run_exports),
            "index": {key: value for key, value in index.items() if key not in ("timestamp", "build", "build_number")},
            "paths": sorted(canonical(dict(entry)) for entry in paths),
            "about": {key: value for key, value in about.items() if key not in ("channels", "extra")},
        }
    )


def digest_tree(root: Path) -> str:
    """Digest of a file, or of a folder by the paths, contents and run bits of its files. Missing: ``missing``."""
    if root.is_dir() and not root.is_symlink():
        return digest(digest_files(root))
    return _digest_file(root)


NOT_CONTENT = ("__pycache__", ".git")
"""Names of folders that are never part of a recipe or a source."""

UNREADABLE = "unreadable: "
SPECIAL = "special"
MISSING = "missing"


def why_unusable(content: str) -> str | None:
    """Why a file with this digest cannot be part of a recipe, and what to do; None if it can."""
    if content == SPECIAL:
        return "is a named pipe, a socket or a device; remove it"
    if content.startswith(UNREADABLE):
        return f"cannot be read: {content.removeprefix(UNREADABLE)}; give yourself the right to read it"
    return None


def is_more_than(root: Path, files: int, size: int, *, without_folder: Path | None = None) -> bool:
    """Whether a folder holds more than this many files, or bytes. Found without reading them, and no further than that."""
    for current, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in NOT_CONTENT and Path(current, name) != without_folder]
        for name in names:
            files -= 1
            with suppress(OSError):
                size -= os.lstat(f"{current}/{name}").st_size
            if files < 0 or size < 0:
                return True
    return False


def digest_files(folder: Path, *, without: Iterable[str] = (), without_folder: Path | None = None) -> dict[str, str]:
    """Digest of each file below `folder` by its path in it, in order; links by their target, not followed.

    Args:
        without: paths in the folder that are left out.
        without_folder: a folder below it that is left out.
    """
    left_out = set(without)
    found: dict[str, str] = {}

    def cannot_be_listed(error: OSError) -> None:
        found[Path(error.filename).relative_to(folder).as_posix()] = f"{UNREADABLE}{error.strerror}"

    start = len(f"{folder}{os.sep}")
    for current, folders, names in os.walk(folder, onerror=cannot_be_listed):
        folders[:] = sorted(
            name for name in folders if name not in NOT_CONTENT and Path(current, name) != without_folder
        )
        links = [name for name in folders if (Path(current) / name).is_symlink()]
        for name in sorted([*names, *links]):
            # Most recipes have no file besides: a `Path` is made for those that have.
            path = f"{current}{os.sep}{name}"
            relative = path[start:].replace(os.sep, "/")
            if relative not in left_out:
                found[relative] = _digest_file(Path(path))
    return dict(sorted(found.items()))


def _digest_file(path: Path) -> str:
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            return f"link:{path.readlink()}"
        if not stat.S_ISREG(status.st_mode):
            return SPECIAL
        content = _content_digest(path, status)
    except FileNotFoundError:
        return MISSING
    except OSError as error:
        return f"{UNREADABLE}{error.strerror}"
    return f"{content}:x" if status.st_mode & stat.S_IXUSR else content


_known: dict[str, tuple[tuple[int, int, int, int], str]] = {}
_SETTLED_NS = 2 * 10**9


def _content_digest(path: Path, status: os.stat_result) -> str:
    """sha256 of a file, read again only if its size, inode or times changed.

    A file that was changed a moment ago is not kept: a second change may leave its times as they are (as git has it in its
    index, "racy-git").
    """
    key = str(path)
    version = (status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
    known = _known.get(key)
    if known is not None and known[0] == version:
        return known[1]
    with path.open("rb") as stream:
        content = hashlib.file_digest(stream, "sha256").hexdigest()
    if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _SETTLED_NS:
        _known[key] = (version, content)
    return content
