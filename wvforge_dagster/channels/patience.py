"""How long a remote channel is waited for, and how often it is asked again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from wvforge_dagster.core.errors import UnreachableError

Result = TypeVar("Result")


@dataclass
class TransientError(Exception):
    """A fault that may pass: what was said, and how long to wait at least, in seconds."""

    words: str
    pause_s: float = 0.0


@dataclass(frozen=True)
class Patience:
    """Limits of the talk with one server; all times are in seconds.

    Attributes:
        attempts: how often one thing is tried before it counts as failed.
        first_pause_s: between the first two attempts; each further pause is three times as long.
        longest_pause_s: no pause is longer, whatever a server asks for (Retry-After).
        upload_s: one attempt to upload, besides the time its bytes take at `slowest_bytes_per_s`.
        reading_s: one attempt to read an index.
        listing_s: until an uploaded package must be in the channel's index.
    """

    attempts: int = 4
    first_pause_s: float = 2.0
    longest_pause_s: float = 60.0
    upload_s: float = 600.0
    slowest_bytes_per_s: float = 256 * 1024
    reading_s: float = 60.0
    listing_s: float = 300.0

    def pauses(self) -> Iterator[float]:
        """The pauses between the attempts: one less than attempts."""
        for number in range(self.attempts - 1):
            yield min(self.first_pause_s * 3**number, self.longest_pause_s)

    def upload_limit(self, size: int) -> float:
        """Seconds that one attempt to upload `size` bytes may take."""
        return self.upload_s + size / self.slowest_bytes_per_s


def patiently(what: str, attempt: Callable[[], Result], *, patience: Patience, label: str) -> Result:
    """The result of `attempt`, which is made again, after growing pauses, while it raises TransientError.

    Args:
        what: the start of the error, such as ``its index of noarch cannot be read``.

    Raises:
        UnreachableError: after the last attempt, with its words.
    """
    for pause in patience.pauses():
        try:
            return attempt()
        except TransientError as fault:
            time.sleep(min(max(pause, fault.pause_s), patience.longest_pause_s))
    try:
        return attempt()
    except TransientError as fault:
        tried = f" (tried {patience.attempts} times)" if patience.attempts > 1 else ""
        raise UnreachableError(f"{what}{tried}: {fault.words}", where=label, remedy="try again later") from None
