"""What is seen of a package when it is read through, as far as the package checks ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from wvforge_dagster.core.device_code import DeviceCode

HOST_PREFIX = "host prefix"
BUILD_PREFIX = "build prefix"
WORK_FOLDER = "work folder"


@dataclass(frozen=True)
class PackedFile:
    """One entry of the payload.

    Attributes:
        kind: ``file``, ``link`` or ``other``: a device, a pipe, a hard link.
        target: of a link.
        is_text: whether it has no NUL byte at its beginning.
        paths_left: which of the build's own paths are in it (the three names above).
    """

    path: str
    kind: str = "file"
    target: str = ""
    is_text: bool = False
    paths_left: tuple[str, ...] = ()


@dataclass(frozen=True)
class Linked:
    """What a program or a shared library of the payload says to the dynamic loader.

    Attributes:
        needed: names of the libraries that it is linked to.
        search: the folders of its RPATH or RUNPATH.
        fault: why it cannot be read as the ELF file that it begins as.
    """

    needed: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    fault: str = ""


@dataclass(frozen=True)
class PackageFacts:
    """A package, read through.

    Attributes:
        size: of the file, in bytes.
        depends: its run requirements.
        license_files: names below info/licenses.
        host: ``(NAME, VERSION, BUILD)`` of the packages of its host environment, by the engine's own account.
        rewritten: the files whose prefix an installer rewrites.
        device_code: by path, of the libraries that have code for GPUs.
        differences: by path, in what the payload is not as info/paths.json lists it.
    """

    name: str
    noarch: bool
    size: int
    depends: tuple[str, ...] = ()
    license: str = ""
    license_files: tuple[str, ...] = ()
    host: tuple[tuple[str, str, str], ...] = ()
    files: tuple[PackedFile, ...] = ()
    rewritten: frozenset[str] = frozenset()
    differences: Mapping[str, str] = field(default_factory=dict, hash=False)
    linked: Mapping[str, Linked] = field(default_factory=dict, hash=False)
    device_code: Mapping[str, DeviceCode] = field(default_factory=dict, hash=False)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"rewritten": sorted(self.rewritten)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PackageFacts:
        def names(item: Mapping[str, Any], *keys: str) -> dict[str, Any]:
            return {key: tuple(entry) if key in keys else entry for key, entry in item.items()}

        return cls(
            **{
                **names(value, "depends", "license_files"),
                "host": tuple((name, version, build) for name, version, build in value["host"]),
                "files": tuple(PackedFile(**names(item, "paths_left")) for item in value["files"]),
                "rewritten": frozenset(value["rewritten"]),
                "linked": {path: Linked(**names(item, "needed", "search")) for path, item in value["linked"].items()},
                "device_code": {
                    path: DeviceCode(**names(item, "sass", "ptx")) for path, item in value["device_code"].items()
                },
            }
        )
