"""The outputs of one recipe among themselves: their order, their columns, and which of them are one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

from wvforge_dagster.core.columns import dimension_values
from wvforge_dagster.core.recipe import Output, Recipe


def each_once(outputs: Iterable[Output]) -> Iterable[Output]:
    """The engine renders an output that uses fewer keys than its siblings once for each variant of theirs."""
    seen: list[Output] = []
    for output in outputs:
        if not any((output.name, output.variant, output.rendered) == (o.name, o.variant, o.rendered) for o in seen):
            seen.append(output)
            yield output


def in_order(outputs: list[Output]) -> list[Output]:
    """Outputs of one recipe so that each comes after the siblings that it requires."""
    if len(outputs) < 2:
        return outputs
    by_name: dict[str, list[Output]] = defaultdict(list)
    for output in outputs:
        by_name[output.name].append(output)
    graph = {
        name: {other for o in found for other in o.requires() if other in by_name and other != name}
        for name, found in by_name.items()
    }
    try:
        order = list(TopologicalSorter({name: sorted(graph[name]) for name in graph}).static_order())
    except CycleError:
        order = list(by_name)
    return [output for name in order for output in by_name[name]]


def whole_variant(output: Output, siblings: Iterable[Output]) -> tuple[tuple[str, str], ...]:
    """The values of the keys that an output uses, and of those that the siblings use which it pins exactly.

    An exact pin is in a variant as a key of its own, ``libfoo: 1.0 h0360afb_0``: what pins it belongs to the sibling's column.

    Args:
        siblings: all outputs of its recipe.
    """
    siblings = tuple(siblings)
    names = {other.name for other in siblings}
    if not any(key in names for key, _ in output.variant):
        return output.variant
    by_pin = {(other.name, f"{other.version} {other.build_string}"): other for other in siblings}
    found: dict[str, str] = {}
    queue = [output]
    while queue:
        for key, value in queue.pop().variant:
            if key not in names:
                found[key] = value
            elif (key, value) in by_pin:
                queue.append(by_pin.pop((key, value)))
    return tuple(sorted(found.items()))


def same_files(recipe: Recipe) -> str | None:
    """A fault, if two variants of a recipe would be files of one name."""
    seen: dict[tuple[str, str, str], Output] = {}
    for output in recipe.outputs:
        if output.skip is None and output.build_string:
            twin = seen.setdefault((output.name, output.version, output.build_string), output)
            if twin.variant != output.variant:
                where = "columns" if dimension_values(twin.variant) != dimension_values(output.variant) else "variants"
                return (
                    f"{recipe.path}: build.string: {output.build_string!r} is the same in several {where}; "
                    "add ${{ hash }} to it"
                )
    return None
