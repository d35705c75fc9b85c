"""The engine's errors in plain words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LABEL = re.compile(
    r"^(?:Py\w+|RattlerBuildError|RecipeParseError|VariantError|BuildError|parse error|render error)\s*:\s*",
    re.IGNORECASE,
)
_KIND = re.compile(r"([A-Z][A-Za-z]+)\s*\{")
_FIELD = re.compile(r'(\w+): (?:Some\()?"((?:[^"\\]|\\.)*)"')
_PAIR = re.compile(r'(?:[A-Z]\w+\()*([A-Z]\w+)\("((?:[^"\\]|\\.)*)"\)+$')
_MISSING = re.compile(
    r"No candidates were found for ([^\s.;]+(?:\.[^\s.;]+)*)|[└├]─ ([^└├,]+), for which no candidates were found"
)
_LINE = re.compile(r"\bline: (\d+)")
_PLAINER = (
    (re.compile(r"^Failed to parse YAML: (\d+):(\d+): "), r"malformed YAML in line \1, column \2: "),
    (re.compile(r"^Failed to parse YAML: "), "malformed YAML: "),
    (re.compile(r" at (\d+):\d+ and (\d+):\d+$"), r" (lines \1 and \2); keep one"),
    (re.compile(r" \(in <?(?:string|template|expression)>?:\d+\)"), ""),
    (re.compile(r"Unexpected definition of anchor"), "anchors (&) and aliases (*) are not read; write the value out"),
    (re.compile(r"invalid digit found in string"), "is no whole number, 0 or higher"),
    (re.compile(r"number too large to fit in target type"), "is too large a number"),
    (re.compile(r"^(?:Jinja template error: |Failed to parse (?:if|Jinja \w+): )+"), "Jinja: "),
    (re.compile(r"expected mapping but got non-mapping"), "a key that takes keys and values has something else"),
    (re.compile(r"expected sequence but got non-sequence"), "a key that takes a list has something else"),
    (re.compile(r"\bnon-(scalar|sequence|mapping)\b"), r"no \1"),
    (re.compile(r"invalid value for 'item'"), "a requirement cannot be read"),
    (re.compile(r"^(?:FileSystem|IO) error: '?(.*?)'?$", re.IGNORECASE), r"\1"),
    (re.compile(r"failed to canonicalize path `([^`]*)`: "), r"\1: "),
    (re.compile(r"^\[Errno \d+\] ([^:]+): '(.*)'$"), r"\2: \1"),
    (re.compile(r" \(os error \d+\)"), ""),
    (re.compile(r"^(?:\w+\.)?PanicException: "), "the engine broke off over it: "),
    (
        re.compile(r"^cycle detected: (.*)$"),
        r"outputs: \1 need one another in a circle; remove one of these requirements",
    ),
)
"""What the engine says in the words of its own language or parser, and what that means."""


def plain_words(error: BaseException) -> str:
    """One line without the names of another language's types.

    The engine gives some faults in Rust's debug form, ``Kind { message: "...", span: Span { line: 1, ... } }`` or
    ``Class(Kind("..."))``: what their quoted parts say is taken out of them.
    """
    text = " ".join(str(error).split()) or type(error).__name__
    while (shorter := _LABEL.sub("", text, count=1)) != text and shorter:
        text = shorter
    fields = {key: value.replace('\\"', '"').replace("\\n", " ") for key, value in _FIELD.findall(text)}
    if fields and (kind := _KIND.search(text)):
        line = _LINE.search(text)
        said = [fields[key] for key in ("field", "message", "reason", "suggestion") if fields.get(key)]
        if not said:
            said = [_spaced(kind.group(1)), *fields.values()]
        text = ": ".join(said) + (f" (line {line.group(1)})" if line else "")
    elif not fields and (pair := _PAIR.search(text)):
        text = f"{text[: pair.start()]}{_spaced(pair[1])}: {pair[2]}"
    for pattern, words in _PLAINER:
        text = pattern.sub(words, text)
    return text[:500]


def _spaced(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r" \1", name).lower()


def is_unreachable(error: BaseException) -> bool:
    """Whether a solve failed because a channel could not be read: not the package's fault, and it may pass."""
    return type(error).__name__ in ("GatewayError", "FetchRepoDataError", "IoError")


def solver_words(error: BaseException, channels: Iterable[str]) -> str:
    """The solver's own explanation in one line, beginning with the name of the package that no channel has.

    Where a channel could not be read: its address, and the innermost cause.

    Args:
        channels: that it was asked of. An index that is damaged is named by the error without its place.
    """
    if is_unreachable(error):
        lines = [line.strip().removeprefix("Caused by: ") for line in str(error).splitlines() if line.strip()]
        words = ": ".join(dict.fromkeys([*lines[:1], *lines[-1:]]))
        places = () if "://" in words else _damaged(channels) or tuple(channels)
        where = f" ({' or '.join(places)})" if places else ""
        return f"a channel cannot be read{where}: {words}"
    words = " ".join(str(error).split()).removeprefix("Cannot solve the request because of: ")
    missing = _MISSING.search(words)
    name = (missing.group(1) or missing.group(2)) if missing else None
    if name and name not in words[:40]:
        return f"{name} is missing upstream ({words})"
    return words


def _damaged(channels: Iterable[str]) -> tuple[str, ...]:
    """The indexes in folders that are no JSON."""
    found = []
    for channel in channels:
        folder = Path(unquote(urlsplit(channel).path)) if channel.startswith("file://") else None
        for index in sorted(folder.glob("*/repodata.json")) if folder else ():
            try:
                json.loads(index.read_bytes())
            except (OSError, ValueError):
                found.append(str(index))
    return tuple(found)
