"""The history of a package as plots: where a template draws points, lines and axes."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from wvforge_dagster.report import words
from wvforge_dagster.report.model import Attempt

WIDTH, HEIGHT = 520.0, 190.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 12.0, 10.0, 28.0
SHAPES = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0",
    "M-4-4h8v8h-8z",
    "M0-5L5 4H-5z",
    "M0-5.5L5.5 0 0 5.5-5.5 0z",
    "M0 5L5-4H-5z",
    "M-1.5-5h3v3.5H5v3H1.5V5h-3V1.5H-5v-3h3.5z",
)
"""Of points, as SVG paths: series are told apart by shape and colour."""


@dataclass(frozen=True)
class Point:
    """One attempt.

    Attributes:
        text: what it is, for those who point at it.
    """

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Series:
    """The attempts of one package variant. `line` is the points of an SVG polyline."""

    name: str
    sign: int
    points: tuple[Point, ...]
    line: str


@dataclass(frozen=True)
class Tick:
    """A mark on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Plot:
    """All of it, in units of an SVG's user space of `WIDTH` by `HEIGHT`."""

    title: str
    series: tuple[Series, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    left: float = _LEFT
    right: float = WIDTH - _RIGHT
    top: float = _TOP
    bottom: float = HEIGHT - _BOTTOM
    width: float = WIDTH
    height: float = HEIGHT


def build_seconds(attempt: Attempt) -> float | None:
    """The seconds that a build took, its tests included; None for an attempt that only tested."""
    if "solve and build" not in attempt.seconds:
        return None
    return sum(value for phase, value in attempt.seconds.items() if phase != "script")


def size_plot(history: Iterable[Attempt]) -> Plot | None:
    """Sizes over time; None if there are none."""
    return _plot("Size", history, lambda attempt: attempt.size, lambda value: words.size(round(value)))


def seconds_plot(history: Iterable[Attempt]) -> Plot | None:
    """Build times over time; None if there are none."""
    return _plot("Build time", history, build_seconds, words.seconds)


def _plot(
    title: str,
    history: Iterable[Attempt],
    measure: Callable[[Attempt], float | None],
    shown: Callable[[float], str],
) -> Plot | None:
    found: dict[str, list[tuple[datetime, float]]] = defaultdict(list)
    for attempt in history:
        value = measure(attempt)
        if value is not None and build_seconds(attempt) is not None:
            found[attempt.partition or "all columns"].append((attempt.at, value))
    if not found:
        return None
    times = [at for points in found.values() for at, _ in points]
    first, last = min(times), max(times)
    top = _round_up(max(value for points in found.values() for _, value in points))

    def x(at: datetime) -> float:
        length = (last - first).total_seconds()
        share = (at - first).total_seconds() / length if length else 0.5
        return _LEFT + 8 + share * (WIDTH - _LEFT - _RIGHT - 16)

    def y(value: float) -> float:
        return HEIGHT - _BOTTOM - value / top * (HEIGHT - _TOP - _BOTTOM)

    series = []
    for position, (name, points) in enumerate(sorted(found.items())):
        placed = tuple(
            Point(round(x(at), 1), round(y(value), 1), f"{name}, {words.moment(at)}: {shown(value)}")
            for at, value in points
        )
        line = " ".join(f"{point.x:.1f},{point.y:.1f}" for point in placed)
        series.append(Series(name, position % len(SHAPES), placed, line))
    return Plot(
        title,
        tuple(series),
        tuple(Tick(round(x(at), 1), words.day(at)) for at in _ends(first, last)),
        tuple(Tick(round(y(top * part / 2), 1), shown(top * part / 2)) for part in (0, 1, 2)),
    )


def _ends(first: datetime, last: datetime) -> Sequence[datetime]:
    return [first] if words.day(first) == words.day(last) else [first, last]


def _round_up(value: float) -> float:
    """The next number of one or two digits and zeros: the end of an axis."""
    if value <= 0:
        return 1.0
    step = 10.0 ** math.floor(math.log10(value)) / 5
    return math.ceil(value / step) * step
