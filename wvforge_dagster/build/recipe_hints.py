"""What the text of a recipe that the engine refuses says about the place of the fault, where the engine does not."""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from wvforge_dagster.core.yaml_files import LOADER

_MAPPINGS = ("context", "package", "recipe", "build", "requirements", "about", "extra")
_LISTS = ("outputs", "tests")


def hint(text: str, words: str) -> str:
    """What to add to the engine's `words` about the recipe with this text; nothing, as a rule."""
    if "takes keys and values" in words or "takes a list" in words:
        place = next(_misshapen(text, lists="a list" in words), None)
        return f": {place}" if place else ""
    old = re.search(r"^\s*\{%|(?<!\$)\{\{", text, re.MULTILINE)
    return "; it looks like conda-build's format: write it as rattler-build's" if old else ""


def _misshapen(text: str, *, lists: bool) -> Iterator[str]:
    """Keys that are to have a list (or else: keys and values) and have something else, each with its line."""
    try:
        root = yaml.compose(text, Loader=LOADER)
    except (yaml.YAMLError, RecursionError):
        return
    if not isinstance(root, yaml.MappingNode):
        return
    wanted = yaml.SequenceNode if lists else yaml.MappingNode
    holders: list[tuple[str, yaml.MappingNode]] = [("", root)]
    holders += [
        (f"outputs.{position}.", item)
        for key, value in root.value
        if key.value == "outputs" and isinstance(value, yaml.SequenceNode)
        for position, item in enumerate(value.value)
        if isinstance(item, yaml.MappingNode)
    ]
    for prefix, holder in holders:
        for key, value in holder.value:
            name = f"{prefix}{key.value}"
            if key.value in (_LISTS if lists else _MAPPINGS) and not isinstance(value, wanted):
                yield f"{name} (line {key.start_mark.line + 1})"
            if lists and key.value == "requirements" and isinstance(value, yaml.MappingNode):
                for section, entries in value.value:
                    if section.value in ("build", "host", "run") and not isinstance(entries, wanted):
                        yield f"{name}.{section.value} (line {section.start_mark.line + 1})"
