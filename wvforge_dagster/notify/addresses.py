"""Where people are told: addresses as apprise writes them, from the environment. They are secrets, with passwords in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

_SHORTEST = 4
"""Characters of a piece of an address that is taken out of texts: shorter ones are parts of common words."""


@dataclass(frozen=True)
class Addresses:
    """The addresses that a variable holds. Never shown: the representation leaves them out.

    Attributes:
        is_set: whether there is such a variable. One that is set and holds nothing tells nobody, and on purpose.
    """

    variable: str
    urls: tuple[str, ...] = field(repr=False)
    is_set: bool = True

    def redact(self, text: str) -> str:
        """`text` without any of these addresses, and without a piece of one: a password, a token, a host."""
        pieces = sorted({piece for url in self.urls for piece in _pieces(url)}, key=len, reverse=True)
        if not pieces:
            return text
        return re.sub("|".join(map(re.escape, pieces)), "***", text, flags=re.IGNORECASE)


def read_addresses(variable: str, environ: Mapping[str, str]) -> Addresses:
    """What a variable holds: one address, or several with blanks or line breaks between."""
    return Addresses(variable, tuple(environ.get(variable, "").split()), variable in environ)


def _pieces(url: str) -> Iterable[str]:
    yield url
    try:
        parts = urlsplit(url)
    except ValueError:
        yield from filter(lambda piece: len(piece) >= _SHORTEST, re.split(r"\W+", url))
        return
    _, _, password = parts.netloc.rpartition("@")[0].partition(":")
    values = [value for _, value in parse_qsl(parts.query)]
    for found in (parts.netloc, parts.path, parts.fragment, parts.query, *values):
        for piece in (found, *re.split(r"[@:/,]", found)):
            yield from (form for form in (piece, unquote(piece)) if len(form) >= _SHORTEST)
    yield from (form for form in (password, unquote(password)) if form)
