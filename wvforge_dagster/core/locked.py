"""Whether a newly solved environment differs from the one a package was built in, in a way that matters by policy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass


@dataclass(frozen=True)
class Locked:
    """One package of a solved environment, as it is compared."""

    version: str
    build: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.version} {self.build}"


@dataclass(frozen=True)
class Difference:
    """One package that differs between two solutions of an environment; None where it is in one of them only."""

    section: str
    name: str
    old: Locked | None
    new: Locked | None

    def __str__(self) -> str:
        return f"{self.section} {self.name}: {self.old or 'none'} -> {self.new or 'none'}"


def differences(
    section: str, old: Mapping[str, Locked], new: Mapping[str, Locked], *, without: Set[str]
) -> tuple[Difference, ...]:
    """What differs, in order of the names.

    Args:
        without: names of the forge's own packages: their content is compared elsewhere.
    """
    return tuple(
        Difference(section, name, old.get(name), new.get(name))
        for name in sorted({*old, *new})
        if name not in without and old.get(name) != new.get(name)
    )


def that_matter(
    found: Iterable[Difference],
    policy: Set[str],
    fits: Callable[[str, Locked], bool],
) -> tuple[Difference, ...]:
    """The differences for which a package is rebuilt.

    Args:
        policy: forge.yaml's ``rebuild-on``. ``host`` and ``build``: any difference in that environment. ``pinned``: a host
            package that the package's own requirements, which came of its pins and run exports, do not allow any more.
        fits: whether the built package's requirements allow a package of this name.
    """

    def matters(item: Difference) -> bool:
        section = item.section.removeprefix("staging ")
        breaks_a_pin = section == "host" and item.new is not None and not fits(item.name, item.new)
        return section in policy or ("pinned" in policy and breaks_a_pin)

    return tuple(item for item in found if matters(item))
