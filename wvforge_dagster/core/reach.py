"""What can be reached in a graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Node = TypeVar("Node")


def reached(starts: Iterable[Node], neighbours: Callable[[Node], Iterable[Node]]) -> dict[Node, None]:
    """`starts` with all that they lead to, themselves or through others; each once, as the keys of a dictionary."""
    found = dict.fromkeys(starts)
    queue = list(found)
    while queue:
        for other in neighbours(queue.pop()):
            if other not in found:
                found[other] = None
                queue.append(other)
    return found
