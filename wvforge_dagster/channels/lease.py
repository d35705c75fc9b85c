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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from wvforge_dagster.channels.objects import Objects, StoredObject
from wvforge_dagster.core.errors import ForgeError, UnreachableError

VALID_S = 90.0
"""Seconds after which a lease that was not written anew is taken over."""

RENEW_S = 15.0
PAUSE_S = 2.0


@dataclass
class Lease:
    """A lease that is held. `lost` is set once it was seen that another holds it."""

    objects: Objects
    name: str
    key: str
    lost: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    written: int = 0

    def content(self) -> bytes:
        """Another one each time: who read it before it was written anew must not write over it."""
        self.written += 1
        return json.dumps({"machine": socket.gethostname(), "lease": self.key, "written": self.written}).encode()

    def is_mine(self) -> bool:
        """Whether it is still held, by what the place says now.

        Raises:
            UnreachableError: if the place does not answer.
        """
        return not self.lost.is_set() and self._is_mine(self.objects.read(self.name))

    def keep(self) -> None:
        """Write it anew until it is given back. While the place does not answer nobody else can take it over either, so that it
        is tried again; whoever did take it over, once it answered him, is seen then."""
        while not self.ended.wait(RENEW_S):
            with suppress(ForgeError):
                there = self.objects.read(self.name)
                if not self._is_mine(there):
                    self.lost.set()
                    return
                self.objects.put(self.name, self.content(), instead_of=there)

    def give_back(self) -> None:
        """Leave it empty, unless another holds it. It is not removed: there is no removing on a condition."""
        self.ended.set()
        with suppress(ForgeError):  # the next one waits until it is no longer valid
            for _ in range(3):
                there = self.objects.read(self.name)
                if not self._is_mine(there) or self.objects.put(self.name, b"", instead_of=there):
                    return

    def _is_mine(self, there: StoredObject | None) -> bool:
        return there is not None and _read(there.content).get("lease") == self.key


def _read(content: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def is_held(size: int, age_s: float) -> bool:
    """Whether an object of this size that was written so many seconds ago is a lease that is held. One from the future was
    written by a clock that is wrong, and is held by nobody."""
    return size > 0 and abs(age_s) <= VALID_S


def holder_of(there: StoredObject | None) -> str | None:
    """The machine that holds a lease; None if nobody does."""
    if there is None or not is_held(len(there.content), there.age_s):
        return None
    return str(_read(there.content).get("machine", "another machine"))


@contextmanager
def lease(objects: Objects, name: str, on_wait: Callable[[str], object]) -> Iterator[Lease]:
    """Hold a lease. Waits for who holds it, also while the place does not answer for a while.

    Args:
        on_wait: called with what is waited for, in words, before waiting.

    Raises:
        ForgeError: if the place cannot be reached at first, or refuses.
    """
    held = Lease(objects, name, uuid.uuid4().hex)
    told: str | None = None
    while True:
        try:
            there = objects.read(name)
            if held._is_mine(there):
                break  # an answer to the first attempt at writing it was lost
            holder = holder_of(there)
            if holder is None and objects.put(name, held.content(), instead_of=there):
                break
        except UnreachableError:
            if told is None:
                raise
        else:
            if holder is not None and holder != told:
                told = holder
                on_wait(f"waits for {holder}, which is at it")
        time.sleep(PAUSE_S * random.uniform(0.5, 1.5))
    threading.Thread(target=held.keep, daemon=True, name="wvforge-lease").start()
    try:
        yield held
    finally:
        held.give_back()


def wait_until_free(objects: Objects, name: str) -> None:
    """Wait until nobody holds it."""
    while holder_of(objects.read(name)) is not None:
        time.sleep(PAUSE_S * random.uniform(0.5, 1.5))
