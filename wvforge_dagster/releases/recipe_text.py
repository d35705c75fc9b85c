"""A recipe's text moved to a release: its version, its hashes and its build number, and nothing else of it.

As in `build.amend`, the text is edited at the places that the YAML parser names, so that comments and layout stay as their
author wrote them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

import yaml

_SOURCES = ("url", "tag", "rev", "branch", "git")

Path = tuple[str | int, ...]


def with_version(text: str, old: str, new: str, commits: Mapping[str, str]) -> str:
    """The text with another version, and with build number 0.

    The version is that of the context, whence all else has it; or else that of the package, and of the sources' addresses.

    Args:
        commits: what takes the place of the commits that sources are pinned to.

    Raises:
        ValueError: if the version is not written out in it.
    """
    scalars = [*_scalars(yaml.compose(text, Loader=yaml.SafeLoader), ())]
    edits: dict[tuple[int, int], str] = {}

    def put(node: yaml.ScalarNode, value: str) -> None:
        edits[node.start_mark.index, node.end_mark.index] = _written(node, value)

    context = [node for path, node in scalars if path == ("context", "version") and node.value == old]
    named = [node for path, node in scalars if path[-2:] in _VERSIONS and node.value == old]
    for node in context or named:
        put(node, new)
    if not context and not named:
        raise ValueError(f"the version {old} is not written out in context.version or package.version")
    for path, node in scalars:
        in_source = _is_source(path)
        if in_source or path[0] == "context":
            value = node.value
            for commit, other in commits.items():
                value = value.replace(commit, other)
            if in_source and not context:
                value = re.sub(rf"(?<![0-9.]){re.escape(old)}(?![0-9]|\.[0-9])", new, value)
            if value != node.value:
                put(node, value)
    for node in _numbers(scalars):
        put(node, "0")
    return _edited(text, edits)


def with_hashes(text: str, hashes: Mapping[str, str]) -> str:
    """The text with other hashes, wherever the old ones stand as values."""
    scalars = _scalars(yaml.compose(text, Loader=yaml.SafeLoader), ())
    edits = {
        (node.start_mark.index, node.end_mark.index): _written(node, hashes[node.value])
        for _, node in scalars
        if node.value in hashes
    }
    return _edited(text, edits)


def hashes_in_sources(text: str) -> frozenset[str]:
    """The hashes that stand in the text's sources as they are."""
    scalars = _scalars(yaml.compose(text, Loader=yaml.SafeLoader), ())
    return frozenset(node.value for path, node in scalars if path[-1] in ("sha256", "md5") and "${{" not in node.value)


_VERSIONS = (("package", "version"), ("recipe", "version"))


def _scalars(node: yaml.Node | None, path: Path) -> Iterator[tuple[Path, yaml.ScalarNode]]:
    """Every value of the text, with the keys and positions that lead to it."""
    if isinstance(node, yaml.ScalarNode):
        yield path, node
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _scalars(value, (*path, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            yield from _scalars(value, (*path, position))


def _is_source(path: Path) -> bool:
    keys = [part for part in path if isinstance(part, str)]
    return "source" in keys and keys[-1] in _SOURCES


def _numbers(scalars: list[tuple[Path, yaml.ScalarNode]]) -> Iterator[yaml.ScalarNode]:
    """Where build numbers are written out: one of ``${{ NAME }}``, or ``${{ NAME + 100 }}``, in the context."""
    for path, node in scalars:
        if path[-2:] == ("build", "number"):
            names = {("context", name) for name in re.findall(r"[A-Za-z_]\w*", node.value)}
            if node.value.isdigit():
                yield node
            else:
                yield from (other for place, other in scalars if place in names and other.value.isdigit())


def _written(node: yaml.ScalarNode, value: str) -> str:
    """A value in the quotes of the one in whose place it comes; quoted, if YAML read it as a number else."""
    if node.style in ("'", '"'):
        return f"{node.style}{value}{node.style}"
    plain = yaml.SafeLoader.yaml_implicit_resolvers
    is_text = not any(pattern.match(value) for _, pattern in plain.get(value[:1], []))
    return value if is_text or value == "0" else json.dumps(value)


def _edited(text: str, edits: Mapping[tuple[int, int], str]) -> str:
    for (start, end), value in sorted(edits.items(), reverse=True):
        text = text[:start] + value + text[end:]
    return text
