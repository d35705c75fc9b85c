"""The engine's errors in plain words."""

from __future__ import annotations

import re

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
    return text[:500]


def _spaced(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r" \1", name).lower()


def is_unreachable(error: BaseException) -> bool:
    """Whether a solve failed because a channel could not be read: not the package's fault, and it may pass."""
    return type(error).__name__ in ("GatewayError", "FetchRepoDataError", "IoError")


def solver_words(error: BaseException) -> str:
    """The solver's own explanation in one line, beginning with the name of the package that no channel has.

    Where a channel could not be read: its address, and the innermost cause.
    """
    if is_unreachable(error):
        lines = [line.strip().removeprefix("Caused by: ") for line in str(error).splitlines() if line.strip()]
        return f"a channel cannot be read: {': '.join(dict.fromkeys([*lines[:1], *lines[-1:]]))}"
    words = " ".join(str(error).split()).removeprefix("Cannot solve the request because of: ")
    missing = _MISSING.search(words)
    name = (missing.group(1) or missing.group(2)) if missing else None
    if name and name not in words[:40]:
        return f"{name} is missing upstream ({words})"
    return words
