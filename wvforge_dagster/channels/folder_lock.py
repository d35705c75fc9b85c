"""One writer at a time for a channel folder, across processes and threads of one machine."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wvforge_dagster.core.errors import ForgeError

LOCK_NAME = ".wvforge.lock"


@contextmanager
def writing(channel: Path, *, label: str, wait_s: float) -> Iterator[None]:
    """Hold the lock of the channel folder; the system takes it back from a process that dies.

    Raises:
        ForgeError: if another publisher holds it for longer than `wait_s` seconds.
    """
    handle = os.open(channel / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ForgeError(
                        f"another publisher is writing to it for over {wait_s:.0f} s", where=label
                    ) from None
                time.sleep(0.02)
        yield
    finally:
        os.close(handle)
