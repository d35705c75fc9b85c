"""The events that a child process sends to its parent: lines of JSON on the descriptor that was its standard output."""

from __future__ import annotations

import json
import os
from typing import Any


class EventStream:
    """Takes over the standard output, so that nothing that is printed by accident mixes with the events."""

    def __init__(self) -> None:
        self._stream = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
        os.set_inheritable(self._stream.fileno(), False)
        os.dup2(2, 1)

    def send(self, event: str, **values: Any) -> None:
        self._stream.write(json.dumps({"event": event, **values}) + "\n")
        self._stream.flush()
