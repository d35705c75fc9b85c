"""What a package needs and what needs it, laid out by level from left to right: where a template draws boxes and lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from wvforge_dagster.core.reach import reached
from wvforge_dagster.report.model import Package

MOST_BOXES = 24
"""With more, only the direct neighbours are drawn."""

_LETTER = 7.4
_MOST_LETTERS = 26
_HEIGHT, _GAP, _BETWEEN, _BEND = 30, 12, 64, 6


class _Point(NamedTuple):
    """A package in its column; or, with `passes`, where the line from it to that package passes a column."""

    column: int
    name: str
    passes: str = ""


@dataclass(frozen=True)
class Box:
    """A package.

    Attributes:
        role: ``self``, ``needs`` (the package needs it) or ``needed`` (it needs the package).
        label: its name, shortened if it is long.
    """

    package: Package
    role: str
    label: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Line:
    """A need: ``path`` is of an SVG path."""

    path: str
    is_direct: bool


@dataclass(frozen=True)
class Drawing:
    """All of it, in units of an SVG's user space.

    Attributes:
        left_out: how many packages, needed or in need, are not drawn.
    """

    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    width: float
    height: float
    left_out: int


def draw_graph(package: Package, packages: Mapping[str, Package]) -> Drawing:
    """
    Args:
        packages: all of the forge, by name.
    """
    needed = reached([package.name], lambda name: (need.package for need in packages[name].needs))
    in_need = reached([package.name], lambda name: packages[name].needed_by)
    below, above = needed.keys() - {package.name}, in_need.keys() - {package.name}
    everything = len(below) + len(above)
    if everything + 1 > MOST_BOXES:
        below &= {need.package for need in package.needs}
        above &= set(package.needed_by)
    roles = dict.fromkeys(below, "needs") | dict.fromkeys(above, "needed") | {package.name: "self"}
    shown = _at_most([package.name, *sorted(below), *sorted(above)])
    edges = [
        (need.package, name)
        for name in shown
        if name in packages
        for need in packages[name].needs
        if need.package in shown
    ]
    routes = _routes(shown, packages, edges)
    columns = _columns(routes, packages, shown)
    boxes, bends = _place(columns, packages, roles)
    lines = tuple(
        _line(boxes[start], [bends[point] for point in route[1:-1]], boxes[end], package.name in (start, end))
        for (start, end), route in routes.items()
    )
    return Drawing(
        tuple(boxes.values()),
        lines,
        max(box.x + box.width for box in boxes.values()) + 1,
        max([*(box.y + box.height for box in boxes.values()), *(y for _, _, y in bends.values())]) + 1,
        everything + 1 - len(boxes),
    )


def _at_most(names: list[str]) -> dict[str, None]:
    return dict.fromkeys(names[:MOST_BOXES])


def _routes(
    shown: Iterable[str], packages: Mapping[str, Package], edges: list[tuple[str, str]]
) -> dict[tuple[str, str], tuple[_Point, ...]]:
    """For each need its points, one in every column from start to end: a line passes between the boxes of the columns that it
    crosses."""
    levels = sorted({packages[name].level or 0 for name in shown})
    column = {name: levels.index(packages[name].level or 0) for name in shown}
    return {
        (start, end): (
            _Point(column[start], start),
            *(_Point(at, start, end) for at in range(column[start] + 1, column[end])),
            _Point(column[end], end),
        )
        for start, end in edges
    }


def _columns(
    routes: Mapping[tuple[str, str], tuple[_Point, ...]], packages: Mapping[str, Package], shown: Iterable[str]
) -> list[list[_Point]]:
    """Points by column; within one near to what they are joined with, so that lines cross little."""
    levels = sorted({packages[name].level or 0 for name in shown})
    points = {_Point(levels.index(packages[name].level or 0), name) for name in shown}
    points |= {point for route in routes.values() for point in route}
    columns = [sorted(point for point in points if point.column == at) for at in range(len(levels))]
    joined: dict[_Point, list[_Point]] = defaultdict(list)
    for route in routes.values():
        for one, other in pairwise(route):
            joined[one].append(other)
            joined[other].append(one)
    for order in (columns, columns[::-1], columns):
        place: dict[_Point, float] = {}
        for column in order:
            means = {point: _mean([place[other] for other in joined[point] if other in place]) for point in column}
            column.sort(key=lambda point, means=means: (means[point], point))  # type: ignore[misc]
            place |= {point: (position + 0.5) / len(column) for position, point in enumerate(column)}
    return columns


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.5


def _place(
    columns: list[list[_Point]], packages: Mapping[str, Package], roles: Mapping[str, str]
) -> tuple[dict[str, Box], dict[_Point, tuple[float, float, float]]]:
    """The boxes, and for each point of a line between boxes from where to where it runs level, and at which height."""

    def height(point: _Point) -> float:
        return (_BEND if point.passes else _HEIGHT) + _GAP

    tallest = max(sum(height(point) for point in column) for column in columns)
    boxes: dict[str, Box] = {}
    bends: dict[_Point, tuple[float, float, float]] = {}
    x = 1.0
    for column in columns:
        labels = {point.name: _label(point.name) for point in column if not point.passes}
        width = max(len(text) for text in labels.values()) * _LETTER + 26
        y = 1 + (tallest - sum(height(point) for point in column)) / 2
        for point in column:
            if point.passes:
                bends[point] = (x, x + width, y + _BEND / 2)
            else:
                name = point.name
                boxes[name] = Box(
                    packages[name], roles[name], labels[name], round(x, 1), round(y, 1), round(width, 1), _HEIGHT
                )
            y += height(point)
        x += width + _BETWEEN
    return boxes, bends


def _label(name: str) -> str:
    return name if len(name) <= _MOST_LETTERS else name[: _MOST_LETTERS - 1] + "…"


def _line(start: Box, bends: list[tuple[float, float, float]], end: Box, is_direct: bool) -> Line:
    x, y = start.x + start.width, start.y + start.height / 2
    path = f"M{x:.1f} {y:.1f}"
    for left, right, height in [*bends, (end.x, end.x, end.y + end.height / 2)]:
        middle = (x + left) / 2
        path += f"C{middle:.1f} {y:.1f} {middle:.1f} {height:.1f} {left:.1f} {height:.1f}H{right:.1f}"
        x, y = right, height
    return Line(path, is_direct)
