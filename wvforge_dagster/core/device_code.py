"""The package check ``architectures``: the device code in a package is that which forge.yaml declares for its CUDA release.

What runs where is NVIDIA's rule of compatibility: machine code (SASS) runs on GPUs of its own major capability and the same or
a higher minor one, PTX on every GPU of its capability or a later one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wvforge_dagster.core.architectures import Architecture
from wvforge_dagster.core.findings import Finding, Severity

_NUMBER = re.compile(r"(\d+)(\d)([af]?)")


@dataclass(frozen=True)
class DeviceCode:
    """The code for GPUs in one library, by architecture as compilers write it (``80``, ``90a``).

    Attributes:
        sass: machine code.
        ptx: PTX.
        fault: why it cannot be read.
    """

    sass: tuple[str, ...] = ()
    ptx: tuple[str, ...] = ()
    fault: str = ""

    def runs_on(self, number: str) -> bool:
        """Whether a GPU of this capability runs it."""
        wanted = _split(number)
        for kind, names in (("sass", self.sass), ("ptx", self.ptx)):
            for major, minor, suffix in map(_split, names):
                if suffix:
                    same = (major, minor) == wanted[:2]
                    if same or (suffix == "f" and major == wanted[0] and minor <= wanted[1]):
                        return True
                elif (kind == "ptx" and (major, minor) <= wanted[:2]) or (major == wanted[0] and minor <= wanted[1]):
                    return True
        return False

    @property
    def names(self) -> tuple[str, ...]:
        """``sm_80`` for machine code, ``PTX 90`` for PTX."""
        return (*(f"sm_{name}" for name in self.sass), *(f"PTX {name}" for name in self.ptx))

    def __str__(self) -> str:
        return ", ".join(self.names) or "none"


ARCHITECTURES = "architectures"
"""The name of the check."""


def to_seen(libraries: Mapping[str, DeviceCode]) -> dict[str, Any]:
    """The device code of libraries as plain values, for the check's result."""
    return {path: [list(code.sass), list(code.ptx)] for path, code in libraries.items() if not code.fault}


def from_seen(seen: Mapping[str, Any]) -> dict[str, DeviceCode]:
    """Raises TypeError or ValueError if `seen` is not of `to_seen`."""
    return {path: DeviceCode(tuple(sass), tuple(ptx)) for path, (sass, ptx) in seen.items()}


def check_architectures(
    libraries: Mapping[str, DeviceCode],
    declared: Iterable[Architecture],
    required: Mapping[str, Mapping[str, DeviceCode]],
) -> Iterator[Finding]:
    """Each library with device code has what is declared, and nothing that a required package cannot run beside it.

    Args:
        libraries: the package's, by path; those without device code are not among them.
        declared: for its CUDA release; none if forge.yaml declares nothing.
        required: the same of the forge's packages that it requires to run, by name.
    """
    wanted = tuple(declared)
    for path, code in libraries.items():
        if code.fault:
            yield Finding(f"its device code cannot be read: {code.fault}", path, Severity.WARNING)
            continue
        missing = [f"code for {item.capability}" for item in wanted if item.code and item.number not in code.sass]
        missing += [f"PTX for {item.capability}" for item in wanted if item.ptx and item.number not in code.ptx]
        if missing:
            yield Finding(f"has no {', no '.join(missing)}, which forge.yaml declares; it has {code}", path)
    mine = sorted({name for code in libraries.values() for name in (*code.sass, *code.ptx)})
    for package, theirs in required.items():
        for path, code in theirs.items():
            lacking = [name for name in mine if not code.fault and not code.runs_on(name)]
            if lacking:
                shown = ", ".join(".".join(map(str, _split(name)[:2])) for name in lacking)
                what = (
                    f"has code for {shown}, which {package} ({path}), that it requires, does not run on: it has {code}"
                )
                yield Finding(what, severity=Severity.WARNING)


def _split(number: str) -> tuple[int, int, str]:
    found = _NUMBER.fullmatch(number)
    assert found is not None, "as cuobjdump writes it"
    return int(found.group(1)), int(found.group(2)), found.group(3)
