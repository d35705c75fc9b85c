"""Circles in a graph: which names depend on themselves through others."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter


def find_circles(needs: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """For every name that lies on a circle, such a circle: names of which each needs the next, and the last the first.

    Args:
        needs: for every name, those that it needs.
    """
    try:
        TopologicalSorter(needs).prepare()
        return {}
    except CycleError:
        pass
    found: dict[str, list[str]] = {}
    for name in sorted(needs):
        if name not in found:
            circle = _shortest_circle(name, needs)
            for other in circle:
                found.setdefault(other, circle)
    return found


def _shortest_circle(start: str, needs: Mapping[str, Iterable[str]]) -> list[str]:
    """The shortest circle through `start`, which comes first; none if it lies on no circle."""
    came_from: dict[str, str] = {}
    queue = deque([start])
    while queue:
        name = queue.popleft()
        for other in sorted(needs[name]):
            if other == start:
                circle = [name]
                while circle[-1] != start:
                    circle.append(came_from[circle[-1]])
                return circle[::-1]
            if other not in came_from:
                came_from[other] = name
                queue.append(other)
    return []
