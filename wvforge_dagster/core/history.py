"""What past builds of a package variant took. It decides the order of builds, and the class of a package where forge.yaml
lets it; losing it loses nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace

KEPT = 5
"""Builds of one package variant that are remembered."""


@dataclass(frozen=True)
class Measure:
    """What one build took.

    Attributes:
        seconds: wall time of building and testing.
        memory: most bytes that it held at once, with all its processes; 0 if unknown.
    """

    seconds: float
    memory: int = 0


@dataclass(frozen=True)
class Past:
    """The last builds of one package variant, the newest last; at least one."""

    builds: tuple[Measure, ...]

    @property
    def seconds(self) -> float:
        """What the last one took."""
        return self.builds[-1].seconds

    @property
    def longest(self) -> float:
        """Seconds of the longest: one that found its objects in a compiler cache says little of the next one."""
        return max(build.seconds for build in self.builds)

    @property
    def most_memory(self) -> int:
        """Bytes of the largest."""
        return max(build.memory for build in self.builds)

    def with_build(self, build: Measure) -> Past:
        """The same with one more."""
        return replace(self, builds=(*self.builds, build)[-KEPT:])
