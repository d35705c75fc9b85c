"""Secrets taken out of texts, whole texts and those of which only the beginning was read."""

from __future__ import annotations

import re
from collections.abc import Sequence

WORDS_READ = 2**16
"""Bytes that are read of a server's words, far more than are shown: they are cut after secrets were taken out, so that no half
of one, which nothing knows again, is at their end."""

_SHOWN = 300


def redact(text: str, secrets: Sequence[str]) -> str:
    """`text` without any of the secrets, the longest first, and without a signed address's query."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return re.sub(r"(https?://)(?:[^\s/@]+@)?([^\s?'\"]+)\?[^\s'\")]*", r"\1\2?***", text)


def excerpt(text: str, secrets: Sequence[str], *, was_cut: bool = False) -> str:
    """The beginning of a server's words without any secret, in one line.

    Args:
        was_cut: whether the server said more: what may be the beginning of a secret, or of an address, is then left out at
            the end.
    """
    if was_cut:
        text = re.sub(r"\S+\Z", "", _without_beginning(text, secrets))
    return " ".join(redact(text, secrets).split())[:_SHOWN]


def _without_beginning(text: str, secrets: Sequence[str]) -> str:
    """`text` without the longest piece at its end that a secret begins with."""
    longest = max(
        (end for secret in secrets for end in range(len(secret) + 1) if text.endswith(secret[:end])), default=0
    )
    return text[: len(text) - longest]
