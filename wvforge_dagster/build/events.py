"""The request that a child process is given, and the events that it answers with: sealed lines of JSON.

The scripts of strangers that a child runs are of the same user, and find the pipe: ``/proc/1/fd/1`` in a sandbox. So each line
bears a seal, made with a key that only the child and its parent know. A script that writes to the pipe, or reads from it, can
make an answer go missing, which fails its package; it cannot answer.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wvforge_dagster.own_process import hide_from_builds

_SEAL_LENGTH = 64


def write_request(path: Path, request: Mapping[str, Any], *, closed: bool) -> EventReader:
    """Write a new request file for one child, and make the reader of its events.

    Args:
        closed: whether the child closes its memory to other processes of its user, which could find the key there.

    Raises:
        FileExistsError: if there is one.
    """
    key = secrets.token_hex(32)
    with path.open("x", encoding="utf-8") as stream:
        json.dump({"key": key, "closed": closed, "request": request}, stream)
    return EventReader(key)


def begin() -> tuple[dict[str, Any], EventStream]:
    """For a child: the request in the file that its command line names, and the stream for its events.

    To be called before anything of strangers runs: the file, which holds the key, is removed.
    """
    path = Path(sys.argv[1])
    found = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    if found["closed"]:
        hide_from_builds()
    return found["request"], EventStream(found["key"])


class EventStream:
    """Takes over the standard output, so that nothing that is printed by accident mixes with the events."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()
        self._sent = 0
        self._lock = threading.Lock()
        self._stream = os.fdopen(os.dup(1), "wb")
        os.set_inheritable(self._stream.fileno(), False)
        os.dup2(2, 1)

    def send(self, event: str, **values: Any) -> None:
        text = json.dumps({"event": event, **values}).encode()
        with self._lock:
            self._stream.write(_seal(self._key, self._sent, text) + b" " + text + b"\n")
            self._stream.flush()
            self._sent += 1


class EventReader:
    """Tells the events of one child from anything else that comes out of its pipe."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()
        self._read = 0

    def read(self, line: bytes) -> dict[str, Any] | None:
        """The event in a line; None for what is not the child's next one. After one that is lost there is no next one."""
        seal, _, text = line.rstrip(b"\n").partition(b" ")
        if len(seal) != _SEAL_LENGTH or not hmac.compare_digest(seal, _seal(self._key, self._read, text)):
            return None
        self._read += 1
        event: dict[str, Any] = json.loads(text)
        return event


def _seal(key: bytes, number: int, text: bytes) -> bytes:
    """Of the `number`-th event: one that was read from the pipe is not good for a second time."""
    return hmac.digest(key, b"%d " % number + text, "sha256").hex().encode()
