"""A channel on a web server, read: its index as the server tells it now, and its packages."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import requests

from wvforge_dagster.channels.credentials import Credentials
from wvforge_dagster.channels.header_numbers import content_length, retry_after
from wvforge_dagster.channels.patience import Patience, TransientError, patiently
from wvforge_dagster.channels.protocol import ChannelEntry
from wvforge_dagster.channels.redaction import WORDS_READ
from wvforge_dagster.channels.repodata import LARGEST_INDEX, Index, read_repodata, too_large
from wvforge_dagster.channels.verification import REPLACE
from wvforge_dagster.channels.web_session import WebSession, reason_of
from wvforge_dagster.core.errors import ForgeError

Result = TypeVar("Result")


class RemoteIndex:
    """Reads ``URL/SUBDIR/repodata.json``, asking again only for what changed, and downloads packages."""

    def __init__(
        self,
        url: str,
        *,
        credentials: Credentials,
        patience: Patience,
        label: str,
        headers: Callable[[], Mapping[str, str]],
        key_variable: str,
    ) -> None:
        """
        Args:
            headers: what shows the server who reads; kept from other servers.
            key_variable: the variable that an error of access names.
        """
        self._url = url
        self._headers = headers
        self._key_variable = key_variable
        self._credentials = credentials
        self._patience = patience
        self._label = label
        self._known: dict[str, tuple[str, Index]] = {}

    def entries(self, subdirs: Sequence[str]) -> tuple[ChannelEntry, ...]:
        """What the server lists for the platforms `subdirs`, in order; nothing for those that it does not have.

        Raises:
            ForgeError: with the status and the server's words, if it cannot be read after the patience's attempts.
        """
        return tuple(entry for index in self.indexes(subdirs).values() for entry in index.entries)

    def indexes(self, subdirs: Sequence[str]) -> dict[str, Index]:
        """The server's indexes of the platforms `subdirs`, in order; empty ones for those that it does not have.

        Raises:
            ForgeError: with the status and the server's words, if one cannot be read after the patience's attempts, or is too
                large.
        """
        ordered = sorted(set(subdirs))
        if not ordered:
            return {}
        with ThreadPoolExecutor(max_workers=len(ordered)) as pool:
            return dict(zip(ordered, pool.map(self._index_of, ordered), strict=True))

    def download(self, place: str, size: int, target: Path) -> None:
        """Write the file at ``URL/place``, of which `size` bytes are listed, to `target`; never more than these.

        Raises:
            ForgeError: with the status and the server's words, if it cannot be had after the patience's attempts; if it is
                longer.
        """

        def attempt() -> None:
            with self._get(place) as answer, target.open("wb") as stream:
                for block in self._package(place, answer, size):
                    stream.write(block)

        self._patiently(place, attempt)

    def measure(self, place: str, listed: int, *, whole: bool) -> tuple[int, str | None]:
        """Size and, if it is to be read whole, sha256 of the file at ``URL/place``. Nothing is kept.

        Args:
            listed: the bytes that it should have; no more of them are read.

        Raises:
            ForgeError: with the status and the server's words, if it cannot be had after the patience's attempts; if it is
                longer.
        """

        def attempt() -> tuple[int, str | None]:
            with self._get(place) as answer:
                told = content_length(answer.headers)
                if told is not None and not whole:
                    # Asked with GET, because an address that a server sends the reader to may be good for that alone.
                    return told, None
                size, total = 0, hashlib.sha256()
                for block in self._package(place, answer, listed):
                    total.update(block)
                    size += len(block)
                return size, total.hexdigest() if whole else None

        return self._patiently(place, attempt)

    def _index_of(self, subdir: str) -> Index:
        return self._patiently(f"its index of {subdir}", lambda: self._read(subdir))

    def _patiently(self, what: str, attempt: Callable[[], Result]) -> Result:
        return patiently(f"{what} cannot be read", attempt, patience=self._patience, label=self._label)

    def _read(self, subdir: str) -> Index:
        """One attempt."""
        place = f"{subdir}/repodata.json"
        etag, known = self._known.get(subdir, ("", Index()))
        headers = {"Cache-Control": "no-cache", **({"If-None-Match": etag} if etag else {})}
        # 304 is an answer only to who said what he has.
        with self._get(place, f"its index of {subdir}", headers, also=(404, *((304,) if etag else ()))) as answer:
            if answer.status_code == 304:
                return known
            if answer.status_code == 404:
                return Index()
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / place
                path.parent.mkdir()
                longer = too_large(f"{self._label}/{place}")
                with path.open("wb") as stream:
                    for block in _blocks(answer, LARGEST_INDEX, longer, limit_s=self._patience.reading_s):
                        stream.write(block)
                try:
                    index = read_repodata(path, subdir, where=f"{self._url}/{place}", remedy=None)
                except ForgeError as error:
                    raise TransientError(self._credentials.redact(str(error))) from None
            self._known[subdir] = (answer.headers.get("ETag", ""), index)
            return index

    @contextmanager
    def _get(
        self,
        place: str,
        what: str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        also: tuple[int, ...] = (),
    ) -> Iterator[requests.Response]:
        """The answer with a file, whose faults are this channel's.

        Args:
            what: what a fault says cannot be read, if not the place.
            also: statuses besides 200 that are no faults.
        """
        seconds = min(30.0, self._patience.reading_s)
        try:
            with (
                WebSession(self._url, self._headers()) as session,
                session.get(f"{self._url}/{place}", headers=headers, stream=True, timeout=seconds) as answer,
            ):
                if answer.status_code not in (200, *also):
                    raise self._fault(what or place, answer)
                yield answer
        except (requests.RequestException, OSError, ValueError) as error:
            raise TransientError(self._credentials.redact(reason_of(error))) from None

    def _package(self, place: str, answer: requests.Response, listed: int) -> Iterator[bytes]:
        where = f"{self._label}/{place}"
        longer = ForgeError(f"has more than the {listed} bytes that its index lists", where=where, remedy=REPLACE)
        return _blocks(answer, listed, longer, limit_s=self._patience.upload_limit(listed))

    def _fault(self, what: str, answer: requests.Response) -> ForgeError | TransientError:
        body = next(answer.iter_content(WORDS_READ), b"")
        said = body.decode(errors="replace") if body.strip() else answer.reason or ""
        words = self._credentials.excerpt(said, was_cut=len(body) >= WORDS_READ)
        fault = f"HTTP {answer.status_code}" + (f": {words}" if words else "")
        if answer.status_code in (304, 429) or answer.status_code >= 500:
            return TransientError(fault, pause_s=retry_after(answer.headers.get("Retry-After")))
        remedy = f"check the key in {self._key_variable}" if answer.status_code in (401, 403) else None
        return ForgeError(f"{what} cannot be read: {fault}", where=self._label, remedy=remedy)


def _blocks(answer: requests.Response, most: int, longer: ForgeError, *, limit_s: float) -> Iterator[bytes]:
    """The content of an answer, unpacked.

    Args:
        most: bytes; if there are more, `longer` is raised.

    Raises:
        TransientError: if it is not over after `limit_s` seconds.
    """
    deadline = time.monotonic() + limit_s
    size = 0
    for block in answer.iter_content(1 << 16):
        size += len(block)
        if size > most:
            raise longer
        yield block
        if time.monotonic() > deadline:
            raise TransientError(f"no whole answer within {limit_s:.0f} s")


def is_open_to_all(url: str, *, seconds: float = 10.0) -> bool:
    """Whether a channel on a web server can be read without credentials, now."""
    try:
        with (
            WebSession(url, {}) as session,
            session.get(f"{url}/noarch/repodata.json", stream=True, timeout=seconds) as answer,
        ):
            return answer.status_code == 200
    except (requests.RequestException, OSError, ValueError):
        return False
