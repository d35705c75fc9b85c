"""A copy of a recipe with what this build adds: its record, a free build number, the places of its ``path`` sources.

The text is amended at the places that the YAML parser names, so that everything else stays as its author wrote it (a load
and a dump would turn ``version: 1.10`` into ``1.1``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from wvforge_dagster.core.artifact import RECORD_KEY
from wvforge_dagster.core.yaml_files import LOADER

_VARIABLE = re.compile(r"\$\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True)
class Amendment:
    """What a build adds to a recipe.

    Attributes:
        record: goes to ``extra.wvforge``, and so into the package's about.json.
        number: replaces ``build.number``.
        string_suffix: is appended to ``build.string``, where that lacks the number.
        source_base: folder that relative ``path`` sources outside the recipe's folder are relative to.
        commits: of its git sources, in the order of the recipe: they take the place of tags and branches, which move.
    """

    record: Mapping[str, Any]
    number: int | None
    string_suffix: str | None
    source_base: Path
    commits: tuple[str, ...] = ()


def check_amendable(text: str) -> None:
    """Whether a recipe that the engine takes can be amended as well.

    Raises:
        ValueError: with the line, if it is no plain YAML.
    """
    try:
        root = yaml.compose(text, Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        if "single document" in str(error.context):
            raise ValueError("holds more than one YAML document; keep one, without '---' between") from None
        mark = error.problem_mark or error.context_mark
        place = f" (line {mark.line + 1})" if mark else ""
        raise ValueError(f"is not plain YAML: {error.problem or error.context}{place}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"is not plain YAML: {str(error).splitlines()[0]}; take that out") from None
    if not isinstance(root, yaml.MappingNode):
        raise ValueError("must be a mapping of keys and values")


def amend(text: str, amendment: Amendment) -> str:
    """The amended text of a recipe. `text` is a recipe that the engine has rendered before."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise ValueError("a recipe is a mapping")
    edits = list(_source_edits(root, amendment.source_base))
    record = json.dumps({RECORD_KEY: amendment.record})[1:-1]
    extra = _get(root, "extra")
    own = _get(extra, RECORD_KEY)
    if own is not None:
        edits.append(_replacement(own, json.dumps(amendment.record)))
    elif isinstance(extra, yaml.MappingNode) and extra.value:
        edits.append(_insertion(extra, record))
    elif extra is not None:
        edits.append((extra.start_mark.index, extra.end_mark.index, f" {{{record}}}"))
    else:
        edits.append(_insertion(root, f'"extra": {{{record}}}'))
    if amendment.number is not None:
        edits.extend(_number_edits(root, amendment.number))
    edits.extend(_string_edits(root, amendment))
    edits.extend(_commit_edits(root, amendment.commits))
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    return text


def _get(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key:
                return value  # type: ignore[no-any-return]
    return None


def _insertion(mapping: yaml.MappingNode, item: str) -> tuple[int, int, str]:
    """An edit that puts `item` (JSON, without braces) first into a mapping that has keys."""
    first = mapping.value[0][0].start_mark
    if mapping.flow_style:
        return first.index, first.index, f"{item}, "
    return first.index, first.index, f"{item}\n{' ' * first.column}"


def _replacement(node: yaml.Node, value: str) -> tuple[int, int, str]:
    """An edit that puts `value` (JSON) in the place of a node. One in block style ends where the next thing begins."""
    is_block = isinstance(node, yaml.CollectionNode) and not node.flow_style
    return (
        node.start_mark.index,
        node.end_mark.index,
        f" {value}" + (f"\n{' ' * node.end_mark.column}" if is_block else ""),
    )


def _outputs(root: yaml.MappingNode) -> Iterator[yaml.Node]:
    outputs = _get(root, "outputs")
    if isinstance(outputs, yaml.SequenceNode):
        yield from outputs.value


def _number_edits(root: yaml.MappingNode, number: int) -> Iterator[tuple[int, int, str]]:
    build = _get(root, "build")
    node = _named_in_context(root, _get(build, "number"))
    if node is not None:
        yield node.start_mark.index, node.end_mark.index, str(number)
    elif isinstance(build, yaml.MappingNode) and build.value:
        yield _insertion(build, f'"number": {number}')
    elif build is not None:
        yield build.start_mark.index, build.end_mark.index, f' {{"number": {number}}}'
    else:
        yield _insertion(root, f'"build": {{"number": {number}}}')
    for output in _outputs(root):
        node = _get(_get(output, "build"), "number")
        if node is not None:
            yield node.start_mark.index, node.end_mark.index, str(number)


def _named_in_context(root: yaml.MappingNode, number: yaml.Node | None) -> yaml.Node | None:
    """The value in the context that a number of ``${{ NAME }}`` stands for, because a build string may use it too."""
    match = _VARIABLE.fullmatch(number.value) if isinstance(number, yaml.ScalarNode) else None
    found = _get(_get(root, "context"), match.group(1)) if match else None
    return found if isinstance(found, yaml.ScalarNode) else number


def _string_edits(root: yaml.MappingNode, amendment: Amendment) -> Iterator[tuple[int, int, str]]:
    """Edits that bring the new number into a ``build.string``: in place of the old one at its end, or after it.

    One that ends in ``${{ build_number }}`` follows by itself.
    """
    for holder in (root, *_outputs(root)):
        node = _get(_get(holder, "build"), "string")
        if not isinstance(node, yaml.ScalarNode):
            continue
        old = _get(_get(holder, "build"), "number") or _get(_get(root, "build"), "number")
        ending = f"_{old.value if isinstance(old, yaml.ScalarNode) else 0}"
        if amendment.number is not None and node.value.endswith(ending):
            value = f"{node.value.removesuffix(ending)}_{amendment.number}"
        elif amendment.string_suffix is not None:
            value = node.value + amendment.string_suffix
        else:
            continue
        yield node.start_mark.index, node.end_mark.index, json.dumps(value)


def _commit_edits(root: yaml.MappingNode, commits: tuple[str, ...]) -> Iterator[tuple[int, int, str]]:
    """Edits that pin git sources to commits.

    Nothing where the recipe's text has another number of git sources than this variant (some stand under a condition): the
    commits are compared after the build in any case.
    """
    sources = [source for holder in (root, *_outputs(root)) for source in _git_sources(_get(holder, "source"))]
    if len(sources) != len(commits):
        return
    for source, commit in zip(sources, commits, strict=True):
        pins = [(key, value) for key, value in source.value if key.value in ("tag", "branch", "rev")]
        for key, value in pins:
            yield key.start_mark.index, value.end_mark.index, f"rev: {json.dumps(commit)}"
        if not pins:
            yield _insertion(source, f"rev: {json.dumps(commit)}")


def _git_sources(node: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _git_sources(item)
    elif isinstance(node, yaml.MappingNode):
        if _get(node, "git") is not None:
            yield node
        for key in ("then", "else"):
            yield from _git_sources(_get(node, key))


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
                if ".." in value.value.split("/"):
                    yield value.start_mark.index, value.end_mark.index, json.dumps(f"{base}/{value.value}")
            elif name.value in ("then", "else"):
                yield from _paths_below(value, base)
