"""A process that sends letters and nothing else: ``python -m`` this module. It can be ended, whatever a target does.

Standard input: a JSON object with ``seconds`` (for the targets), ``limit`` (for this process) and ``letters``, each with
``url``, ``title``, ``body`` and ``type``.
Standard output: a line of JSON for each letter that was answered in time: its number as ``letter``, and ``fault``, empty if it
arrived.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import apprise

from wvforge_dagster.own_process import end_with_parent, hide_from_builds

_CAUSES = re.compile(
    r"Connection refused|Connection reset by peer|Connection unexpectedly closed|timed out|Name or service not known"
    r"|Temporary failure in name resolution|No address associated with hostname|No route to host|Network is unreachable"
    r"|certificate verify failed|Authentication \w+|Remote end closed connection"
)
"""What is told of apprise's words for those who look for faults in it: they may hold addresses."""


class _Words(logging.Handler):
    """What apprise says, by the thread that it says it in."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.said: dict[int, list[str]] = defaultdict(list)

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.WARNING:
            self.said[record.thread or 0].append(text.strip().rstrip("."))
        elif found := _CAUSES.search(text):
            self.said[record.thread or 0].append(found.group())


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    end_with_parent()
    # Before it has an address: no other process of the same user is to read it here.
    hide_from_builds()
    request = json.load(sys.stdin)
    signal.alarm(math.ceil(request["limit"]) + 5)
    words = _Words()
    logger = logging.getLogger("apprise")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(words)
    logger.propagate = False
    by_address: dict[str, list[tuple[int, Mapping[str, Any]]]] = defaultdict(list)
    for number, letter in enumerate(request["letters"]):
        by_address[letter["url"]].append((number, letter))
    # In this thread, because apprise loads all its plugins with the first one: that is no target's time.
    targets = {url: _target(url) for url in by_address}
    lock = threading.Lock()
    threads = [
        threading.Thread(target=_send, args=(targets[url], letters, words, lock), daemon=True)
        for url, letters in by_address.items()
    ]
    ends = time.monotonic() + request["seconds"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, ends - time.monotonic()))
    with lock:
        # Whoever has not answered by now is not waited for.
        os._exit(0)


def _target(url: str) -> apprise.NotifyBase | None:
    asset = apprise.AppriseAsset(app_id="wvforge", app_desc="wvforge", storage_mode=apprise.PersistentStoreMode.MEMORY)
    return apprise.Apprise.instantiate(url, asset=asset)


def _send(
    target: apprise.NotifyBase | None,
    letters: Sequence[tuple[int, Mapping[str, Any]]],
    words: _Words,
    lock: threading.Lock,
) -> None:
    """The letters to one address, one after the other."""
    for number, letter in letters:
        said = words.said[threading.get_ident()] = []
        try:
            fault = _fault(target, letter, said)
        except Exception as error:  # a plugin may raise anything
            fault = f"{type(error).__name__}: {error}"
        with lock:
            sys.stdout.write(json.dumps({"letter": number, "fault": fault}) + "\n")
            sys.stdout.flush()


def _fault(target: apprise.NotifyBase | None, letter: Mapping[str, Any], said: Sequence[str]) -> str:
    """Why a letter did not arrive, with what apprise said of it; empty if it did."""
    if target is None:
        return "it is no address that apprise knows"
    arrived = target.notify(
        title=letter["title"],
        body=letter["body"],
        notify_type=letter["type"],
        body_format=apprise.NotifyFormat.TEXT,
    )
    return "" if arrived else ": ".join(dict.fromkeys(said)) or "it was not taken"


if __name__ == "__main__":
    main()
