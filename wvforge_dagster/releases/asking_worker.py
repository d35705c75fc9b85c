"""Child process: asks places for the names of their releases. ``python -m wvforge_dagster.releases.asking_worker REQUEST``.

The request holds ``questions``, each a `places.Place`, and ``silence_s``, how long a server may say nothing. For each an event
``names`` (pairs of a name and its commit) or ``failed`` (the reason), with the number of the ``question``.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from wvforge_dagster.build.events import begin
from wvforge_dagster.causes import innermost, system_words
from wvforge_dagster.settings import certificates_to_trust

SIDE_BY_SIDE = 16
LONGEST = 2
"""How long an answer may take: so many times the longest silence."""
MOST_BYTES = 32 << 20
"""Of one answer, unpacked: PyPI's page of a project with thousands of files has some megabytes."""
MOST_NAMES = 50_000

_SIMPLE = "application/vnd.pypi.simple.v1+json"
_ACCEPT = f"{_SIMPLE}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


class Refused(Exception):
    """Why a place could not be asked."""


def main() -> None:
    request, events = begin()
    asker = _Asker(request["silence_s"])
    questions = request["questions"]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        asked = {pool.submit(asker.names, question): number for number, question in enumerate(questions)}
        for answer in as_completed(asked):
            try:
                events.send("names", question=asked[answer], names=answer.result())
            except Refused as why:
                events.send("failed", question=asked[answer], reason=" ".join(str(why).split())[:300])


class _Asker:
    """Asks; of a server that once said nothing it waits for no second silence."""

    def __init__(self, silence_s: float) -> None:
        self._silence_s = silence_s
        self._silent: set[str] = set()

    def names(self, place: Mapping[str, Any]) -> list[tuple[str, str]]:
        """The names of the releases that a place lists, with their commits.

        Raises:
            Refused: if it does not answer.
        """
        host = urlsplit(place["address"]).netloc
        if host in self._silent:
            raise Refused("no answer in time")
        try:
            if place["kind"] == "tags":
                return [*_tags(place["address"], self._silence_s)][:MOST_NAMES]
            answer = _get(place["address"], _ACCEPT if place["kind"] == "index" else "text/html", self._silence_s)
            found = _files(*answer) if place["kind"] == "index" else _links(*answer)
            return [(name, "") for name in found][:MOST_NAMES]
        except (requests.Timeout, ReadTimeoutError, subprocess.TimeoutExpired):
            if host:
                self._silent.add(host)
            raise Refused("no answer in time") from None
        except requests.TooManyRedirects:
            raise Refused("it sends the reader in circles") from None
        except (requests.RequestException, HTTPError, OSError) as error:
            raise Refused(_reason(error)) from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise Refused("its answer cannot be understood") from None


def _get(url: str, accept: str, silence_s: float) -> tuple[str, str, str]:
    """The address that answered at last, the kind of its answer, and its text."""
    headers = {"Accept": accept, "User-Agent": "wvforge"}
    deadline = time.monotonic() + LONGEST * silence_s
    with requests.get(url, headers=headers, stream=True, timeout=silence_s, verify=certificates_to_trust()) as answer:
        if not answer.ok:
            raise Refused(f"{answer.status_code} {answer.reason}")
        content = bytearray()
        # By its size alone, a block would be waited for from a server that drips.
        while block := answer.raw.read1(1 << 16, decode_content=True):
            content += block
            if time.monotonic() > deadline:
                raise Refused("no whole answer in time")
            if len(content) > MOST_BYTES:
                raise Refused(f"its answer has more than {MOST_BYTES >> 20} MiB")
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return answer.url, kind, content.decode("utf-8", "replace")


def _files(url: str, kind: str, text: str) -> Iterator[str]:
    """The names of the files on a project's page in an index that were not taken back (PEP 503, 592 and 691)."""
    if kind == _SIMPLE:
        yield from (str(file["filename"]) for file in json.loads(text)["files"] if not file.get("yanked"))
        return
    for link, attributes in _anchors(text):
        if "data-yanked" not in attributes:
            yield unquote(urlsplit(link).path.rpartition("/")[2])


def _links(url: str, kind: str, text: str) -> Iterator[str]:
    """The names of what lies in a folder: the links of its page that lead into it."""
    folder = urlsplit(url)
    base = folder.path.rpartition("/")[0] + "/"
    for link, _ in _anchors(text):
        there = urlsplit(urljoin(url, link))
        if there.netloc == folder.netloc and there.path.startswith(base):
            name = there.path.removeprefix(base).partition("/")[0]
            if name:
                yield unquote(name)


def _anchors(text: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Anchors()
    parser.feed(text)
    return parser.found


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        link = attributes.get("href")
        if tag == "a" and link:
            self.found.append((link, attributes))


def _tags(address: str, silence_s: float) -> Iterator[tuple[str, str]]:
    """The tags of a repository, with the commits that they mean: of an annotated one, what it points at."""
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": "ssh -oBatchMode=yes"}
    environment |= {"GIT_HTTP_LOW_SPEED_LIMIT": "1", "GIT_HTTP_LOW_SPEED_TIME": str(round(silence_s))}
    command = ["git", "ls-remote", "--tags", "--", address]
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as errors:
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=errors,
                timeout=LONGEST * silence_s,
                env=environment,
                check=False,
            )
        except FileNotFoundError:
            raise Refused("there is no git on this machine") from None
        if done.returncode:
            errors.seek(0)
            words = errors.read(1 << 16).decode("utf-8", "replace").strip().splitlines()
            raise Refused(words[0] if words else f"git ended with {done.returncode}")
        said.seek(0)
        text = said.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise Refused(f"its answer has more than {MOST_BYTES >> 20} MiB")
    found: dict[str, str] = {}
    for line in text.decode("utf-8", "replace").splitlines():
        commit, _, name = line.partition("\t")
        name, is_target = name.removeprefix("refs/tags/").removesuffix("^{}"), name.endswith("^{}")
        if is_target or name not in found:
            found[name] = commit
    yield from found.items()


def _reason(error: Exception) -> str:
    """What broke, without the library's layers around it."""
    inner = innermost(error)
    if words := system_words(inner):
        return words
    return str(inner).splitlines()[0] if str(inner) else type(error).__name__


if __name__ == "__main__":
    main()
