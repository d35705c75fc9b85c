"""A lock among machines: an object that its holder writes anew as long as it lives.

Who finds one that nobody wrote for a while takes it over, so that a machine that died holds nothing up. A holder that was cut
off meanwhile finds out before it publishes (`Lease.is_mine`); a name is never given two contents in any case.
"""

from __future__ import annotations

import json
import random
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from wvforge_dagster.channels.objects import Objects
from wvforge_dagster.core.errors import ForgeError

VALID_S = 90.0
"""Seconds after which a lease that was not written anew is taken over."""

RENEW_S = 15.0
PAUSE_S = 2.0


@dataclass
class Lease:
    """A lease that is held. `lost` is set once another holder was seen, or none of ours could be written for too long."""

    objects: Objects
    name: str
    content: bytes
    lost: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def is_mine(self) -> bool:
        """Whether it is still held, by what the place says now."""
        there = self.objects.read(self.name)
        return not self.lost.is_set() and there is not None and there.content == self.content

    def keep(self) -> None:
        """Write it anew until it is given back."""
        written = time.monotonic()
        while not self.ended.wait(RENEW_S):
            with suppress(ForgeError):
                there = self.objects.read(self.name)
                if there is None or there.content != self.content:
                    break
                if self.objects.put(self.name, self.content, instead_of=there):
                    written = time.monotonic()
            if time.monotonic() - written > VALID_S - RENEW_S:
                break
        if not self.ended.is_set():
            self.lost.set()


def holder_of(objects: Objects, name: str) -> str | None:
    """The machine that holds a lease; None if nobody does."""
    there = objects.read(name)
    if there is None or there.age_s > VALID_S:
        return None
    try:
        return str(json.loads(there.content)["machine"])
    except (ValueError, KeyError, TypeError):
        return "another machine"


@contextmanager
def lease(objects: Objects, name: str, on_wait: Callable[[str], object]) -> Iterator[Lease]:
    """Hold a lease. Waits for who holds it.

    Args:
        on_wait: called once with the machine that holds it, before waiting.

    Raises:
        ForgeError: if the place cannot be reached.
    """
    content = json.dumps({"machine": socket.gethostname(), "lease": uuid.uuid4().hex}).encode()
    told = False
    while True:
        there = objects.read(name)
        if there is not None and there.content == content:
            break  # an answer to the first attempt at writing it was lost
        if (there is None or there.age_s > VALID_S) and objects.put(name, content, instead_of=there):
            break
        if not told and there is not None:
            on_wait(holder_of(objects, name) or "another machine")
            told = True
        time.sleep(PAUSE_S * random.uniform(0.5, 1.5))
    held = Lease(objects, name, content)
    threading.Thread(target=held.keep, daemon=True, name="wvforge-lease").start()
    try:
        yield held
    finally:
        held.ended.set()
        with suppress(ForgeError):  # the next one waits until it is no longer valid
            if held.is_mine():
                objects.remove(name)


def wait_until_free(objects: Objects, name: str) -> None:
    """Wait until nobody holds it."""
    while holder_of(objects, name) is not None:
        time.sleep(PAUSE_S * random.uniform(0.5, 1.5))
