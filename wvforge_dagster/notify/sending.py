"""Sending notices, in a child process that has a deadline: whatever a target does, this takes no longer."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import wvforge_dagster
from wvforge_dagster.core.notices import Notice
from wvforge_dagster.notify.addresses import Addresses
from wvforge_dagster.settings import certificates_to_trust, child_environment

NO_APPRISE = "apprise is not installed: pip install 'wvforge-dagster[notify]'"

_LONGEST = 200

_START_SECONDS = 60.0
"""For the process to start and to load apprise, on a machine that is busy: some tenths of a second on one that is not."""


@dataclass(frozen=True)
class Sent:
    """What came of a notice to some addresses.

    Attributes:
        faults: one line for each address that was not told, without any secret.
    """

    addresses: Addresses
    notice: Notice
    faults: tuple[str, ...]

    @property
    def told(self) -> bool:
        """Whether one of the addresses took it."""
        return len(self.faults) < len(self.addresses.urls)

    @property
    def fault(self) -> str | None:
        """The faults in one line; None if there is none."""
        if not self.addresses.urls:
            return "holds no address" if self.addresses.is_set else "is not set"
        if not self.faults:
            return None
        words = "; ".join(dict.fromkeys(self.faults))
        count = len(self.addresses.urls)
        return f"was not told: {words}" if count == 1 else f"{len(self.faults)} of {count} were not told: {words}"


def send(orders: Iterable[tuple[Addresses, Notice]], seconds: float) -> tuple[Sent, ...]:
    """Send each notice to its addresses, to all of them side by side.

    Args:
        seconds: how long targets are waited for, all together. What a target does raises nothing.

    Raises:
        OSError: if no process can be started.
    """
    wanted = tuple(orders)
    letters = [
        {"order": number, "url": url, "title": notice.title, "body": "\n".join(notice.lines) or notice.title}
        | {"type": "failure" if notice.bad else "success" if notice.marks else "info"}
        for number, (addresses, notice) in enumerate(wanted)
        for url in addresses.urls
    ]
    answers = _send(letters, seconds) if letters else {}
    return tuple(
        Sent(addresses, notice, tuple(_faults(number, addresses, letters, answers)))
        for number, (addresses, notice) in enumerate(wanted)
    )


def _faults(
    number: int, addresses: Addresses, letters: Sequence[Mapping[str, object]], answers: Mapping[int, str]
) -> Iterable[str]:
    for position, letter in enumerate(letters):
        if letter["order"] == number and answers[position]:
            yield " ".join(addresses.redact(answers[position]).split())[:_LONGEST]


def _send(letters: Sequence[Mapping[str, object]], seconds: float) -> dict[int, str]:
    """Why each letter did not arrive; empty, where it did."""
    if importlib.util.find_spec("apprise") is None:
        return dict.fromkeys(range(len(letters)), NO_APPRISE)
    with tempfile.TemporaryDirectory(prefix="wvforge-notify-") as folder:
        environment = child_environment(Path(folder), Path(folder))
        trusted = certificates_to_trust()
        if isinstance(trusted, str):
            environment["REQUESTS_CA_BUNDLE"] = trusted
        limit = seconds + _START_SECONDS
        silence = f"no answer within {seconds:.0f} s"
        try:
            done = subprocess.run(
                [sys.executable, "-m", "wvforge_dagster.notify.send_worker"],
                # Through its standard input: neither the process list nor its environment shows an address.
                input=json.dumps({"seconds": seconds, "limit": limit, "letters": letters}).encode(),
                capture_output=True,
                timeout=limit,
                check=False,
                cwd=Path(wvforge_dagster.__file__).parent.parent,
                env=environment,
            )
            said = done.stdout
            if done.returncode:
                words = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"])[-1]
                silence = f"the process that sends ended with {done.returncode}: {words}"
        except subprocess.TimeoutExpired as late:
            said = late.stdout or b""
    return dict.fromkeys(range(len(letters)), silence) | _answers(said)


def _answers(said: bytes) -> dict[int, str]:
    found: dict[int, str] = {}
    for line in said.decode("utf-8", "replace").splitlines():
        try:
            answer = json.loads(line)
            found[int(answer["letter"])] = str(answer["fault"])
        except (ValueError, KeyError, TypeError):
            continue
    return found
