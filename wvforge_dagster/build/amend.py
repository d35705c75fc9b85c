"""A copy of a recipe with what this build adds: its record, a free build number, the places of its ``path`` sources.

The text is amended at the places that the YAML parser names, so that everything else stays as its author wrote it (a load
and a dump would turn ``version: 1.10`` into ``1.1``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from wvforge_dagster.core.artifact import RECORD_KEY


@dataclass(frozen=True)
class Amendment:
    """What a build adds to a recipe.

    Attributes:
        record: goes to ``extra.wvforge``, and so into the package's about.json.
        number: replaces ``build.number``.
        string_suffix: is appended to ``build.string``, where that lacks the number.
        source_base: folder that relative ``path`` sources outside the recipe's folder are relative to.
    """

    record: Mapping[str, Any]
    number: int | None
    string_suffix: str | None
    source_base: Path


def amend(text: str, amendment: Amendment) -> str:
    """The amended text of a recipe. `text` is a recipe that the engine has rendered before."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise ValueError("a recipe is a mapping")
    edits = list(_source_edits(root, amendment.source_base))
    record = json.dumps({RECORD_KEY: amendment.record})[1:-1]
    appended = ""
    extra = _get(root, "extra")
    if isinstance(extra, yaml.MappingNode) and extra.value:
        edits.append(_insertion(extra, text, record))
    elif extra is not None:
        edits.append((extra.start_mark.index, extra.end_mark.index, f" {{{record}}}"))
    else:
        appended += f"\nextra: {{{record}}}\n"
    if amendment.number is not None:
        build = _get(root, "build")
        number = _get(build, "number") if isinstance(build, yaml.MappingNode) else None
        if number is not None:
            edits.append((number.start_mark.index, number.end_mark.index, str(amendment.number)))
        elif isinstance(build, yaml.MappingNode) and build.value:
            edits.append(_insertion(build, text, f'"number": {amendment.number}'))
        elif build is not None:
            edits.append((build.start_mark.index, build.end_mark.index, f' {{"number": {amendment.number}}}'))
        else:
            appended += f'\nbuild: {{"number": {amendment.number}}}\n'
        edits.extend(_output_number_edits(root, amendment.number))
    if amendment.string_suffix is not None:
        edits.extend(_string_edits(root, amendment.string_suffix))
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    return text.rstrip("\n") + "\n" + appended


def _get(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key:
                return value  # type: ignore[no-any-return]
    return None


def _insertion(mapping: yaml.MappingNode, text: str, item: str) -> tuple[int, int, str]:
    """An edit that puts `item` (JSON, without braces) first into a mapping that has keys."""
    first = mapping.value[0][0].start_mark
    if mapping.flow_style:
        return first.index, first.index, f"{item}, "
    return first.index, first.index, f"{item}\n{' ' * first.column}"


def _outputs(root: yaml.MappingNode) -> Iterator[yaml.Node]:
    outputs = _get(root, "outputs")
    if isinstance(outputs, yaml.SequenceNode):
        yield from outputs.value


def _output_number_edits(root: yaml.MappingNode, number: int) -> Iterator[tuple[int, int, str]]:
    for output in _outputs(root):
        node = _get(_get(output, "build"), "number")
        if node is not None:
            yield node.start_mark.index, node.end_mark.index, str(number)


def _string_edits(root: yaml.MappingNode, suffix: str) -> Iterator[tuple[int, int, str]]:
    for holder in (root, *_outputs(root)):
        node = _get(_get(holder, "build"), "string")
        if isinstance(node, yaml.ScalarNode):
            yield node.start_mark.index, node.end_mark.index, json.dumps(node.value + suffix)


def _source_edits(node: yaml.Node, base: Path) -> Iterator[tuple[int, int, str]]:
    """Edits that make relative ``path`` sources that leave the recipe's folder absolute."""
    for holder in (node, *(_outputs(node) if isinstance(node, yaml.MappingNode) else ())):
        yield from _paths_below(_get(holder, "source"), base)


def _paths_below(node: yaml.Node | None, base: Path) -> Iterator[tuple[int, int, str]]:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _paths_below(item, base)
    elif isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == "path" and isinstance(value, yaml.ScalarNode):
                if value.value.startswith(".."):
                    yield value.start_mark.index, value.end_mark.index, json.dumps(f"{base}/{value.value}")
            elif name.value in ("then", "else"):
                yield from _paths_below(value, base)
