"""Waiting for a condition instead of for a time: the machine may be slow, and is shared."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(what: str, ask: Callable[[], T | None], *, seconds: float, every: float = 0.25) -> T:
    """The first answer of `ask` that is true.

    Args:
        what: the condition in words, for the error.
        seconds: how long to wait for it at the most.

    Raises:
        AssertionError: if it did not come true in that time.
    """
    limit = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > limit:
            raise AssertionError(f"not within {seconds:.0f} s: {what} (last answer: {answer!r})")
        time.sleep(every)
