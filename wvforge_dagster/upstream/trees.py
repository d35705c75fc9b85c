"""Lay files of wheels out as a conda prefix, as a manifest's tree entry says."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.upstream.manifest import Tree

_RUNNABLE = (b"\x7fELF", b"#!")


def lay_out_tree(entry: Tree, wheels: Sequence[Path], tree: Path, licenses: Path) -> None:
    """Make the files of a package.

    Args:
        entry: what goes where.
        wheels: the fetched wheels.
        tree: a new folder, laid out as a conda prefix.
        licenses: a new folder for the wheels' licence files.

    Raises:
        ForgeError: the entry names something that the wheels do not hold.
    """
    tree.mkdir(parents=True)
    licenses.mkdir(parents=True)
    for wheel in wheels:
        _unpack(entry, wheel, tree, licenses)
    for path, texts in entry.replace.items():
        _replace(entry, tree / path, texts)
    for path, text in entry.write.items():
        file = tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(0o755 if Path(path).parts[0] == "bin" else 0o644)
    for path, target in entry.links.items():
        link = tree / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)


def _unpack(entry: Tree, wheel: Path, tree: Path, licenses: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            name = member.filename
            if ".dist-info/" in name and "licen" in name.lower() and not name.endswith("/"):
                (licenses / f"{wheel.name.split('-')[0]}-{Path(name).name}").write_bytes(archive.read(member))
            place = _place(entry, name)
            if place is None or any(fnmatch(place, pattern) for pattern in entry.omit):
                continue
            file = tree / place
            if not file.resolve().is_relative_to(tree.resolve()):
                raise ForgeError(f"{wheel.name} holds {name}, which leads out of it", where=entry.name)
            file.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, file.open("wb") as target:
                head = source.read(4)
                target.write(head)
                while block := source.read(1 << 20):
                    target.write(block)
            # Wheels that pip does not install as scripts often come without the run bit.
            runs = head.startswith(_RUNNABLE) and file.parent.name in ("bin", "libexec")
            file.chmod(0o755 if runs or (member.external_attr >> 16) & stat.S_IXUSR else 0o644)


def _place(entry: Tree, name: str) -> str | None:
    best = max((source for source in entry.layout if _matches(source, name)), key=len, default=None)
    if best is None:
        return None
    target = entry.layout[best]
    return target if name == best and not best.endswith("/") else target + name[len(best) :]


def _matches(source: str, name: str) -> bool:
    return name.startswith(source) if source.endswith("/") else name == source


def _replace(entry: Tree, file: Path, texts: dict[str, str]) -> None:
    where = f"{entry.name}: {file.name}"
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ForgeError("the wheels hold no such file to replace text in", where=where) from error
    for old, new in texts.items():
        if old not in text:
            raise ForgeError(f"the text to be replaced is not there: {old!r}", where=where)
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
