"""Small objects that several machines share, beside a channel: what was noted, what failed, who is at work.

Two kinds of places have them, a bucket (`s3_store`) and a folder that all machines see (`folder_objects`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class StoredObject:
    """An object as it was read.

    Attributes:
        etag: changes with the content.
        age_s: seconds since it was written, by the clock of the place.
    """

    content: bytes
    etag: str
    age_s: float


@dataclass(frozen=True)
class ListedObject:
    """An object as a listing shows it; attributes as those of `StoredObject`, and its size in bytes."""

    etag: str
    size: int
    age_s: float


class Objects(Protocol):
    """Names are relative to the place, with ``/`` between folders. Every fault is a `ForgeError`."""

    def read(self, name: str) -> StoredObject | None:
        """The object; None if there is none."""

    def put(self, name: str, content: bytes, *, instead_of: StoredObject | None) -> bool:
        """Put an object where there is none, or instead of the one that was read; False if another was faster."""

    def remove(self, name: str) -> None:
        """What is gone already is left so."""

    def listing(self, folder: str) -> Mapping[str, ListedObject]:
        """The objects in a folder by their names in it; nothing of what lies in folders below."""


def put_over(objects: Objects, name: str, content: bytes) -> None:
    """Put an object whatever is there; of two at once, the last one stays."""
    while True:
        there = objects.read(name)
        if (there is not None and there.content == content) or objects.put(name, content, instead_of=there):
            return
