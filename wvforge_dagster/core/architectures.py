"""CUDA architectures: what forge.yaml declares for each CUDA release, and what a release can compile for.

An architecture is written as its compute capability, as in ``TORCH_CUDA_ARCH_LIST``: ``8.6`` asks for code (SASS) of that
capability, ``9.0+PTX`` for code and PTX, and ``8.0-virtual`` (CMake's word) for PTX alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

ARCH_LIST = "cuda_arch_list"
CMAKE_ARCHITECTURES = "cmake_cuda_architectures"
ARCHITECTURE_KEYS = (ARCH_LIST, CMAKE_ARCHITECTURES)
"""Variant keys that go with ``cuda_version``: the architectures as PyTorch writes them (``8.0;9.0+PTX``), and as CMake does
(``80-real;90``)."""

_SPELLING = re.compile(r"(\d+)\.(\d)([af]?)(\+PTX|-virtual)?")
SPELLING = f"^{_SPELLING.pattern}$"
"""What an architecture is written like, as a pattern for a JSON schema."""
_RELEASE = re.compile(r"(\d+)\.(\d+)")

_FIRST_RELEASE = {
    (8, 7): (11, 4),
    (8, 8): (13, 0),
    (8, 9): (11, 8),
    (9, 0): (11, 8),
    (10, 0): (12, 8),
    (10, 1): (12, 8),
    (10, 3): (12, 9),
    (11, 0): (13, 0),
    (12, 0): (12, 8),
    (12, 1): (12, 9),
}
"""The first CUDA release that compiles for a capability, after NVIDIA's release notes of nvcc; what is not listed is older than
11.4, or newer than this table."""

_LAST_RELEASE = {(10, 1): (12, 9)}
"""The last release that compiles for a capability: 13.0 renamed 10.1 to 11.0."""

_OLDEST = (((13, 0), (7, 5)), ((12, 0), (5, 0)))
"""The oldest capability that releases from the first number on compile for."""


@dataclass(frozen=True, order=True)
class Architecture:
    """One architecture of a declaration.

    Attributes:
        major, minor: of the compute capability.
        suffix: ``a`` or ``f`` for code that uses what only this one (or its family) has, else empty.
        code: whether machine code of it (SASS) is asked for.
        ptx: whether PTX of it is asked for.
    """

    major: int
    minor: int
    suffix: str = ""
    code: bool = True
    ptx: bool = False

    @property
    def capability(self) -> str:
        return f"{self.major}.{self.minor}{self.suffix}"

    @property
    def number(self) -> str:
        """As compilers write it: ``90a``."""
        return f"{self.major}{self.minor}{self.suffix}"

    def __str__(self) -> str:
        return self.capability + ("+PTX" if self.code else "-virtual") * self.ptx

    @property
    def for_cmake(self) -> str:
        if self.code and self.ptx:
            return self.number
        return f"{self.number}-{'virtual' if self.ptx else 'real'}"


def parse_architecture(text: str) -> Architecture:
    """Raises ValueError, with what is wrong, if `text` is none."""
    found = _SPELLING.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no architecture: write 8.6, 9.0+PTX or 8.0-virtual")
    major, minor, suffix, kind = found.groups()
    return Architecture(int(major), int(minor), suffix, code=kind != "-virtual", ptx=kind is not None)


def series_number(release: str) -> tuple[int, int]:
    """``12.8`` of ``12.8`` or ``12.8.93`` as numbers; raises ValueError if it is no CUDA release."""
    found = _RELEASE.match(release.strip())
    if found is None:
        raise ValueError(f"{release!r} is no CUDA release: write it as 12.8")
    return int(found.group(1)), int(found.group(2))


def compiles_for(release: str, architecture: Architecture) -> bool:
    """Whether nvcc of a CUDA release compiles for an architecture, as far as this module knows."""
    number, capability = series_number(release), (architecture.major, architecture.minor)
    oldest = next((oldest for first, oldest in _OLDEST if number >= first), (0, 0))
    first = _FIRST_RELEASE.get(capability, (0, 0))
    last = _LAST_RELEASE.get(capability, number)
    return capability >= oldest and first <= number <= last


@dataclass(frozen=True)
class Architectures:
    """What forge.yaml declares.

    Attributes:
        lists: by CUDA release; under an empty name what goes for every release without a list of its own.
    """

    lists: Mapping[str, tuple[Architecture, ...]]

    def of(self, release: str) -> tuple[Architecture, ...]:
        """The architectures for a CUDA release; none if nothing is declared.

        A release without a list of its own takes that of the nearest earlier release with one, else that for every release,
        without what it cannot compile for. Where this drops the last one with PTX, the last that is left gets PTX: it is what
        later GPUs run.
        """
        if not self.lists:
            return ()
        number = series_number(release)
        own = [name for name in self.lists if name and series_number(name) == number]
        if own:
            return self.lists[own[0]]
        earlier = [name for name in self.lists if name and series_number(name) < number]
        chosen = self.lists.get(max(earlier, key=series_number, default=""), ())
        left = [architecture for architecture in chosen if compiles_for(release, architecture)]
        if left and any(item.ptx for item in chosen) and not any(item.ptx for item in left):
            newest = max(left, key=lambda item: (item.major, item.minor))
            left[left.index(newest)] = Architecture(newest.major, newest.minor, newest.suffix, newest.code, ptx=True)
        return tuple(left)

    def values(self, releases: Sequence[str]) -> dict[str, list[str]]:
        """The values of `ARCHITECTURE_KEYS`, one for each CUDA release."""
        lists = [self.of(release) for release in releases]
        return {
            ARCH_LIST: [";".join(_for_torch(found)) for found in lists],
            CMAKE_ARCHITECTURES: [";".join(item.for_cmake for item in found) for found in lists],
        }

    def to_json(self) -> dict[str, list[str]]:
        return {release: [str(item) for item in found] for release, found in self.lists.items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Iterable[str]]) -> Architectures:
        """Raises ValueError, with what is wrong, for what is none, is there twice, or cannot be compiled."""
        lists = {release: tuple(_parsed(release, found)) for release, found in value.items()}
        return cls(lists)


NOTHING_DECLARED = Architectures({})


def _for_torch(architectures: Iterable[Architecture]) -> Iterator[str]:
    """PyTorch has no spelling for PTX alone: it gets the code as well."""
    for item in architectures:
        yield item.capability + "+PTX" * item.ptx


def _parsed(release: str, texts: Iterable[str]) -> Iterator[Architecture]:
    seen: set[str] = set()
    for text in texts:
        found = parse_architecture(text)
        if found.capability in seen:
            raise ValueError(f"{found.capability} is there twice")
        seen.add(found.capability)
        if release and not compiles_for(release, found):
            raise ValueError(f"nvcc of CUDA {release} does not compile for {found.capability}")
        yield found
    if not seen:
        raise ValueError("no architecture is given")
