"""What a package needs and what needs it, laid out by level from left to right: where a template draws boxes and lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wvforge_dagster.report.model import Package

MOST_BOXES = 40
"""With more, only the direct neighbours are drawn."""

_LETTER = 7.4
_MOST_LETTERS = 26
_HEIGHT, _GAP, _BETWEEN = 30, 12, 64


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
    below = _reach(package.name, {name: [need.package for need in item.needs] for name, item in packages.items()})
    above = _reach(package.name, {name: item.needed_by for name, item in packages.items()})
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
    columns = _columns(shown, packages, edges)
    boxes = _place(columns, packages, roles)
    lines = tuple(_line(boxes[start], boxes[end], package.name in (start, end)) for start, end in edges)
    return Drawing(
        tuple(boxes.values()),
        lines,
        max(box.x + box.width for box in boxes.values()) + 1,
        max(box.y + box.height for box in boxes.values()) + 1,
        everything + 1 - len(boxes),
    )


def _reach(start: str, neighbours: Mapping[str, Iterable[str]]) -> set[str]:
    found: set[str] = set()
    queue = [start]
    while queue:
        for other in neighbours.get(queue.pop(), ()):
            if other not in found:
                found.add(other)
                queue.append(other)
    return found - {start}


def _at_most(names: list[str]) -> dict[str, None]:
    return dict.fromkeys(names[:MOST_BOXES])


def _columns(shown: Iterable[str], packages: Mapping[str, Package], edges: list[tuple[str, str]]) -> list[list[str]]:
    """Names by level; within a level near to what they are joined with, so that lines cross little."""
    by_level: dict[int, list[str]] = defaultdict(list)
    for name in shown:
        by_level[packages[name].level or 0].append(name)
    columns = [sorted(by_level[level]) for level in sorted(by_level)]
    joined: dict[str, list[str]] = defaultdict(list)
    for start, end in edges:
        joined[start].append(end)
        joined[end].append(start)
    for order in (columns, columns[::-1], columns):
        place: dict[str, float] = {}
        for column in order:
            means = {name: _mean([place[other] for other in joined[name] if other in place]) for name in column}
            column.sort(key=lambda name, means=means: (means[name], name))  # type: ignore[misc]
            place |= {name: (position + 0.5) / len(column) for position, name in enumerate(column)}
    return columns


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.5


def _place(columns: list[list[str]], packages: Mapping[str, Package], roles: Mapping[str, str]) -> dict[str, Box]:
    tallest = max(len(column) for column in columns) * (_HEIGHT + _GAP) - _GAP
    boxes: dict[str, Box] = {}
    x = 1.0
    for column in columns:
        labels = {name: name if len(name) <= _MOST_LETTERS else name[: _MOST_LETTERS - 1] + "…" for name in column}
        width = max(len(text) for text in labels.values()) * _LETTER + 26
        y = 1 + (tallest - (len(column) * (_HEIGHT + _GAP) - _GAP)) / 2
        for name in column:
            boxes[name] = Box(packages[name], roles[name], labels[name], x, y, width, _HEIGHT)
            y += _HEIGHT + _GAP
        x += width + _BETWEEN
    return boxes


def _line(start: Box, end: Box, is_direct: bool) -> Line:
    x1, y1 = start.x + start.width, start.y + start.height / 2
    x2, y2 = end.x, end.y + end.height / 2
    bend = (x2 - x1) / 2
    return Line(f"M{x1:.1f} {y1:.1f}C{x1 + bend:.1f} {y1:.1f} {x2 - bend:.1f} {y2:.1f} {x2:.1f} {y2:.1f}", is_direct)
