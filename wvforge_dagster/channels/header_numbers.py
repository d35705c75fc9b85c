"""Numbers in the headers of answers. A server may send anything there: what is no number is none."""

from __future__ import annotations

import re
from collections.abc import Mapping


def retry_after(header: str | None) -> float:
    """Seconds that a Retry-After asks for; 0 where it is missing, a date or nonsense."""
    return float(_number(header) or 0)


def content_length(headers: Mapping[str, str]) -> int | None:
    """Bytes that a Content-Length promises; None where it is missing or nonsense."""
    return _number(headers.get("Content-Length"))


def _number(header: str | None) -> int | None:
    # str.isdigit takes signs that int and float do not, such as a superscript two.
    found = re.fullmatch(r"\s*([0-9]{1,15})\s*", header or "")
    return int(found[1]) if found else None
