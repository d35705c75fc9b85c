"""Asking the places of releases, all side by side, in a child process: what hangs, floods or drips costs its own package only.

nvchecker (2.22) was looked at for this. Its source of PyPI knows no other host, while a recipe's address names its registry; it
reads answers of any length; its git source splits a command line, where an address may be an option; and it needs pycurl, which
is built against the machine's libcurl. What is left of it are three small questions, whose answers are read by `packaging` and
the standard library's parsers.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wvforge_dagster.build.git_sources import NO_ADDRESS
from wvforge_dagster.build.process import ChildLimits, run_child
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.releases.places import Place
from wvforge_dagster.releases.versions import Release

ALL_S, EACH_S = 60.0, 1.0
"""The most that all questions together take, in seconds: this, and so much for each."""
SILENCE_S = 15.0
"""How long a server may say nothing."""
_MEMORY = 2 << 30

NO_ANSWER = "no answer in time"


def ask(places: Iterable[Place], *, silence_s: float = SILENCE_S) -> Mapping[Place, tuple[Release, ...] | ForgeError]:
    """The releases that each of these places lists; or why it could not be asked, in one line."""
    found: dict[Place, tuple[Release, ...] | ForgeError] = {}
    questions = []
    for place in dict.fromkeys(places):
        if place.kind == "tags" and NO_ADDRESS.match(place.address):
            found[place] = _fault(place, "is not the address of a repository")
        else:
            questions.append(place)
    if not questions:
        return found

    def on_event(event: dict[str, Any]) -> None:
        place = questions[event["question"]]
        if event["event"] == "failed":
            found[place] = _fault(place, event["reason"])
            return
        versions = ((place.version_in(name), commit) for name, commit in event["names"])
        found[place] = tuple(Release(version, commit) for version, commit in versions if version is not None)

    with tempfile.TemporaryDirectory(prefix="wvforge-releases-") as folder:
        limit = ALL_S + EACH_S * len(questions)
        limits = ChildLimits(seconds=limit, memory=_MEMORY)
        request = {"questions": [asdict(place) for place in questions], "silence_s": silence_s}
        result = run_child(
            "wvforge_dagster.releases.asking_worker", request, on_event, limits=limits, folder=Path(folder)
        )
    words = (
        NO_ANSWER if result.timed_out else "asking was ended: it took too much memory" if result.out_of_memory else ""
    )
    for place in questions:
        if place not in found:
            found[place] = _fault(place, words or "asking it was interrupted")
    return found


def _fault(place: Place, words: str) -> ForgeError:
    return ForgeError(f"cannot be asked for releases: {words}", where=str(place), remedy="try again later")
