"""What differs between two builds of one package: its files by content, their modes and links, and what solvers see of it."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rattler.package_streaming import extract

from wvforge_dagster.build.irreproducible import likely_reason
from wvforge_dagster.core.errors import ForgeError

# As `core.digest.content_digest` leaves them out: times, and where and how it was built.
_LEFT_OUT = {"index.json": ("timestamp",), "about.json": ("channels", "extra"), "run_exports.json": ()}
_PATHS = "paths.json"
_MOST_READ = 64 << 20
"""Bytes of a file that is read to find out why it differs."""


@dataclass(frozen=True)
class FileDifference:
    """One payload file that differs.

    Attributes:
        what: in words: ``differs``, ``only in the package``, ``only in the new build``.
        reason: the likely one, with what helps; empty if nothing is known.
    """

    path: str
    what: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.what}" + (f"; {self.reason}" if self.reason else "")


@dataclass(frozen=True)
class Comparison:
    """What differs between a package and a new build of it.

    Attributes:
        count: how many payload files both have together.
        modes: modes, kinds and link targets that differ, in lines.
        metadata: what differs of the rest of ``info/``, in lines.
    """

    count: int
    files: tuple[FileDifference, ...]
    modes: tuple[str, ...]
    metadata: tuple[str, ...]

    @property
    def equal(self) -> bool:
        return not (self.files or self.modes or self.metadata)


def compare_packages(package: Path, new: Path, folder: Path) -> Comparison:
    """Unpack both below `folder`, which is made, and compare them.

    Raises:
        ForgeError: if one of them cannot be unpacked.
    """
    old_root, new_root = _unpack(package, folder / "package"), _unpack(new, folder / "new")
    old, now = _entries(old_root), _entries(new_root)
    return Comparison(
        len(old.keys() | now.keys()),
        tuple(_files(old_root, new_root, old, now)),
        tuple(_modes(old_root, new_root, old, now)),
        tuple(_metadata(old_root / "info", new_root / "info")),
    )


def _unpack(package: Path, target: Path) -> Path:
    target.mkdir(parents=True)
    try:
        extract(package, target)
    except Exception as error:  # rattler has no common class of its errors
        raise ForgeError(f"cannot be unpacked: {error}", where=str(package)) from None
    return target


def _entries(root: Path) -> dict[str, dict[str, Any]]:
    content = json.loads((root / "info" / _PATHS).read_bytes())
    # A path that leads out of the package is no file of it.
    return {entry["_path"]: entry for entry in content.get("paths", ()) if _is_inside(entry["_path"])}


def _is_inside(path: str) -> bool:
    return not Path(path).is_absolute() and ".." not in Path(path).parts


def _files(
    old_root: Path, new_root: Path, old: Mapping[str, dict[str, Any]], new: Mapping[str, dict[str, Any]]
) -> Iterator[FileDifference]:
    for path in sorted(old.keys() | new.keys()):
        if path not in new:
            yield FileDifference(path, "only in the package")
        elif path not in old:
            yield FileDifference(path, "only in the new build")
        elif old[path].get("sha256") != new[path].get("sha256") and not _is_link(old[path]) | _is_link(new[path]):
            yield FileDifference(path, "differs", _reason(path, old_root / path, new_root / path))


def _reason(path: str, old: Path, new: Path) -> str:
    """The likely reason, unless that would mean to read files that are too large, or are none."""
    if any(file.is_symlink() or not file.is_file() or file.stat().st_size > _MOST_READ for file in (old, new)):
        return ""
    return likely_reason(path, old.read_bytes(), new.read_bytes())


def _is_link(entry: Mapping[str, Any]) -> bool:
    return entry.get("path_type") == "softlink"


def _modes(
    old_root: Path, new_root: Path, old: Mapping[str, dict[str, Any]], new: Mapping[str, dict[str, Any]]
) -> Iterator[str]:
    for path in sorted(old.keys() & new.keys()):
        before, after = _kind(old_root / path), _kind(new_root / path)
        if before != after:
            yield f"{path}: {before} -> {after}"
        for key in ("path_type", "file_mode", "no_link", "prefix_placeholder"):
            if old[path].get(key) != new[path].get(key):
                yield f"{path}: {key} {old[path].get(key) or 'none'} -> {new[path].get(key) or 'none'}"


def _kind(path: Path) -> str:
    status = path.lstat()
    return f"link to {path.readlink()}" if stat.S_ISLNK(status.st_mode) else f"mode {stat.S_IMODE(status.st_mode):o}"


def _metadata(old: Path, new: Path) -> Iterator[str]:
    for name, left_out in _LEFT_OUT.items():
        before, after = _json(old / name), _json(new / name)
        for key in sorted((before.keys() | after.keys()) - set(left_out)):
            if before.get(key) != after.get(key):
                yield f"{name}: {key}: {_change(before.get(key), after.get(key))}"
    before_files, after_files = _other_files(old), _other_files(new)
    for name in sorted(before_files.keys() | after_files.keys()):
        if name not in after_files or name not in before_files:
            yield f"{name}: only in the {'package' if name in before_files else 'new build'}"
        elif before_files[name].read_bytes() != after_files[name].read_bytes():
            yield f"{name}: differs"


def _change(before: Any, after: Any) -> str:
    if isinstance(before, list) and isinstance(after, list):
        gone = [f"- {item}" for item in before if item not in after]
        come = [f"+ {item}" for item in after if item not in before]
        return ", ".join([*gone, *come]) or "another order"
    return f"{json.dumps(before)} -> {json.dumps(after)}"


def _json(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_bytes()) if path.exists() else {}
    return found if isinstance(found, dict) else {}


def _other_files(info: Path) -> dict[str, Path]:
    """The files of ``info/`` but for those that are compared by key, and the engine's account of the build, which has times."""
    found = {
        path.relative_to(info).as_posix(): path for path in info.rglob("*") if path.is_file() and not path.is_symlink()
    }
    return {
        name: path
        for name, path in found.items()
        if name not in (_PATHS, *_LEFT_OUT) and not name.startswith("recipe/")
    }
