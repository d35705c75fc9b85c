"""Publishers of one S3 channel take turns at its index.

Correct without it: the index is written only over the one that was read, and read back. But a publisher whose write is
refused waits ten seconds and more before the next (py-rattler 0.28), so they queue at an object that only one can create.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from wvforge_dagster.channels.s3_store import S3Store
from wvforge_dagster.core.errors import ForgeError

NAME = ".wvforge-turn"


@contextmanager
def turn(store: S3Store, *, wait_s: float, valid_s: float) -> Iterator[None]:
    """Wait until no other publisher has the turn, at most `wait_s` seconds, and then go on anyway.

    Args:
        valid_s: a turn that is older was left by a publisher that died, and is taken over.

    Raises:
        ForgeError: if the server cannot be reached or refuses.
    """
    me = json.dumps({"turn": uuid.uuid4().hex}).encode()
    deadline = time.monotonic() + wait_s
    pause = 0.1
    while True:
        holder = store.read(NAME)
        if (holder is None or holder.age_s > valid_s) and store.put(NAME, me, instead_of=holder):
            break
        if time.monotonic() > deadline:
            break
        time.sleep(pause * random.uniform(0.5, 1.5))
        pause = min(pause * 1.5, 2.0)
    try:
        yield
    finally:
        with suppress(ForgeError):  # the next one waits until it is no longer valid
            holder = store.read(NAME)
            if holder is not None and holder.content == me:
                store.remove(NAME)
