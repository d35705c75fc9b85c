"""Reading a whole package once, as a stream: no file of it is held in memory.

The archive is read by conda's own library for that (``conda_package_streaming``), programs and shared libraries by pyelftools,
from a temporary file.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import yaml
from conda_package_streaming.package_streaming import CondaComponent, stream_conda_component

from wvforge_dagster.build.device_code import read_device_code
from wvforge_dagster.build.engine_account import RENDERED, dependencies_of
from wvforge_dagster.core.device_code import DeviceCode
from wvforge_dagster.core.package_facts import (
    BUILD_PREFIX,
    HOST_PREFIX,
    WORK_FOLDER,
    Linked,
    PackageFacts,
    PackedFile,
)
from wvforge_dagster.core.yaml_files import LOADER

BLOCK = 1 << 20
"""Bytes of a file that are held at a time."""

MOST_INFO = 256 << 20
"""Bytes that a file below info/ may have: the lists of the largest packages have some megabytes."""

_PLACEHOLDER = "/host_env_placehold"
_INFO = ("info/index.json", "info/about.json", "info/paths.json", RENDERED)
_ELF = b"\x7fELF"
_DEVICE_SECTIONS = (".nv_fatbin", "__nv_relfatbin")


def read_through(path: Path) -> PackageFacts:
    """Everything that the package checks ask of a package.

    Raises:
        ValueError, KeyError, OSError, tarfile.TarError: if it is no whole package.
    """
    info, licenses = _read_info(path)
    index, about, listing = (json.loads(info[name]) for name in _INFO[:3])
    account = yaml.load(info.get(_INFO[3], b""), Loader=LOADER) or {}
    listed = {entry["_path"]: entry for entry in listing.get("paths", [])}
    patterns = _patterns(account, listed.values())
    files: list[PackedFile] = []
    linked: dict[str, Linked] = {}
    device_code: dict[str, DeviceCode] = {}
    differences: dict[str, str] = {}
    for archive, member in stream_conda_component(str(path), component=CondaComponent.pkg):
        if member.isdir():
            continue
        file, sha256, elf, code = _read_member(archive, member, patterns)
        files.append(file)
        if elf is not None:
            linked[file.path] = elf
        if code is not None and code != DeviceCode():
            device_code[file.path] = code
        if difference := _difference(file, sha256, member.size, listed.pop(file.path, None)):
            differences[file.path] = difference
    differences |= {
        name: "is listed in info/paths.json, and is not there" for name in listed if not _is_folder(listed[name])
    }
    host = [item for found in dependencies_of(account) for item in (found.get("host") or {}).get("resolved") or []]
    return PackageFacts(
        name=str(index["name"]),
        noarch=bool(index.get("noarch")),
        size=path.stat().st_size,
        depends=tuple(index.get("depends") or ()),
        license=str(about.get("license") or index.get("license") or ""),
        license_files=tuple(licenses),
        host=tuple((str(item["name"]), str(item["version"]), str(item["build"])) for item in host),
        files=tuple(files),
        rewritten=frozenset(e["_path"] for e in listing.get("paths", []) if e.get("prefix_placeholder")),
        differences=differences,
        linked=linked,
        device_code=device_code,
    )


def _read_info(path: Path) -> tuple[dict[str, bytes], list[str]]:
    """The files of `_INFO`, and the names below info/licenses."""
    found: dict[str, bytes] = {}
    licenses = []
    for archive, member in stream_conda_component(str(path), component=CondaComponent.info):
        name = posixpath.normpath(member.name)
        if name.startswith("info/licenses/") and not member.isdir():
            licenses.append(name.removeprefix("info/licenses/"))
        elif name in _INFO:
            if member.size > MOST_INFO:
                raise ValueError(f"{name} has {member.size} bytes")
            stream = archive.extractfile(member)
            found[name] = stream.read() if stream else b""
    return found, licenses


def _patterns(account: Mapping[str, Any], listed: Any) -> dict[str, tuple[bytes, ...]]:
    """What is looked for, by what it is: the engine says where it built; of a package that does not, the listed prefixes."""
    folders = (account.get("build_configuration") or {}).get("directories") or {}
    host = {str(folders.get("host_prefix") or "")} | {str(entry.get("prefix_placeholder") or "") for entry in listed}
    # A path that a tool cut short is one as well: the placeholder is as long as paths get.
    short = {prefix.split(_PLACEHOLDER)[0] + _PLACEHOLDER if _PLACEHOLDER in prefix else prefix for prefix in host}
    found = {
        HOST_PREFIX: short,
        BUILD_PREFIX: {str(folders.get("build_prefix") or "")},
        WORK_FOLDER: {str(folders.get("work_dir") or "")},
    }
    return {what: tuple(place.encode() for place in places if len(place) > 1) for what, places in found.items()}


def _read_member(
    archive: tarfile.TarFile, member: tarfile.TarInfo, patterns: Mapping[str, tuple[bytes, ...]]
) -> tuple[PackedFile, str, Linked | None, DeviceCode | None]:
    """One entry of the payload, its sha256, and if it is a program or a library what it says to the loader, and its code for
    GPUs."""
    path = member.name.removeprefix("./")
    if member.issym():
        target = member.linkname
        left = tuple(what for what, texts in patterns.items() if any(text in target.encode() for text in texts))
        return PackedFile(path, "link", target, paths_left=left), "", None, None
    stream = archive.extractfile(member) if member.isfile() else None
    if stream is None:
        return PackedFile(path, "other", member.linkname), "", None, None
    digest = hashlib.sha256()
    left_here: set[str] = set()
    is_text, is_elf = True, False
    overlap = max((len(text) for texts in patterns.values() for text in texts), default=1) - 1
    tail = b""
    with tempfile.TemporaryFile() as copy:
        for number, block in enumerate(_blocks(stream)):
            if number == 0:
                is_text, is_elf = b"\0" not in block[:8192], block.startswith(_ELF)
            digest.update(block)
            if is_elf:
                copy.write(block)
            seen = tail + block
            left_here |= {what for what, texts in patterns.items() if any(text in seen for text in texts)}
            tail = seen[-overlap:] if overlap else b""
        linked = _read_elf(copy) if is_elf else None
        code = read_device_code(copy) if is_elf and _has_device_code(copy) else None
    left = tuple(what for what in patterns if what in left_here)
    return PackedFile(path, "file", "", is_text, left), digest.hexdigest(), linked, code


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    while block := stream.read(BLOCK):
        yield block


def _read_elf(stream: IO[bytes]) -> Linked:
    from elftools.elf.dynamic import DynamicSegment
    from elftools.elf.elffile import ELFFile

    needed: list[str] = []
    search: list[str] = []
    try:
        stream.seek(0)
        segments = (item for item in ELFFile(stream).iter_segments() if isinstance(item, DynamicSegment))
        for tag in (tag for segment in segments for tag in segment.iter_tags()):
            if tag.entry.d_tag == "DT_NEEDED":
                needed.append(str(vars(tag)["needed"]))
            elif tag.entry.d_tag in ("DT_RPATH", "DT_RUNPATH"):
                text = str(vars(tag)[tag.entry.d_tag.removeprefix("DT_").lower()])
                search += [folder for folder in text.split(":") if folder]
    except Exception as error:  # pyelftools raises what it stumbles over
        return Linked(tuple(needed), tuple(search), f"{type(error).__name__}: {error}"[:200])
    return Linked(tuple(needed), tuple(search))


def _has_device_code(stream: IO[bytes]) -> bool:
    from elftools.elf.elffile import ELFFile

    try:
        stream.seek(0)
        return any(ELFFile(stream).get_section_by_name(name) is not None for name in _DEVICE_SECTIONS)
    except Exception:  # pyelftools raises what it stumbles over, and _read_elf says it
        return False


def _difference(file: PackedFile, sha256: str, size: int, listed: Mapping[str, Any] | None) -> str:
    """In what an entry is not as it is listed; nothing if it is. A link's sha256 is that of what it leads to."""
    if listed is None:
        return "is not listed in info/paths.json"
    is_link = listed.get("path_type") == "softlink"
    if is_link != (file.kind == "link"):
        return "is listed as another kind of file in info/paths.json"
    if not is_link and listed.get("sha256") != sha256:
        return (
            f"has the sha256 {sha256[:12] or 'of no file'}, and info/paths.json lists {str(listed.get('sha256'))[:12]}"
        )
    if not is_link and listed.get("size_in_bytes") not in (None, size):
        return f"has {size} bytes, and info/paths.json lists {listed['size_in_bytes']}"
    return ""


def _is_folder(listed: Mapping[str, Any]) -> bool:
    return bool(listed.get("path_type") == "directory")
