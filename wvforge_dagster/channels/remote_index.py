"""A channel on a web server, read: its index as the server tells it now, and its packages."""

from __future__ import annotations

import hashlib
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import requests

from wvforge_dagster.channels.credentials import Credentials
from wvforge_dagster.channels.patience import Patience, TransientError, patiently, retry_after
from wvforge_dagster.channels.protocol import ChannelEntry
from wvforge_dagster.channels.repodata import first_line, read_repodata
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
        self._known: dict[str, tuple[str, tuple[ChannelEntry, ...]]] = {}

    def entries(self, subdirs: Sequence[str]) -> tuple[ChannelEntry, ...]:
        """What the server lists for the platforms `subdirs`, in order; nothing for those that it does not have.

        Raises:
            ForgeError: with the status and the server's words, if it cannot be read after the patience's attempts.
        """
        ordered = sorted(set(subdirs))
        if not ordered:
            return ()
        with ThreadPoolExecutor(max_workers=len(ordered)) as pool:
            return tuple(entry for found in pool.map(self._entries_of, ordered) for entry in found)

    def download(self, place: str, target: Path) -> None:
        """Write the file at ``URL/place`` to `target`.

        Raises:
            ForgeError: with the status and the server's words, if it cannot be had after the patience's attempts.
        """
        self._patiently(place, lambda: self._download(place, target))

    def measure(self, place: str, *, whole: bool) -> tuple[int, str | None]:
        """Size and, if it is to be read whole, sha256 of the file at ``URL/place``. Nothing is kept.

        Raises:
            ForgeError: with the status and the server's words, if it cannot be had after the patience's attempts.
        """

        def attempt() -> tuple[int, str | None]:
            with self._get(place) as answer:
                told = answer.headers.get("Content-Length")
                if told is not None and not whole:
                    # Asked with GET, because an address that a server sends the reader to may be good for that alone.
                    return int(told), None
                deadline = time.monotonic() + self._patience.upload_limit(int(told or 0))
                size, total = 0, hashlib.sha256()
                for block in answer.iter_content(1 << 20):
                    total.update(block)
                    size += len(block)
                    if time.monotonic() > deadline:
                        raise TransientError("no whole answer in time")
                return size, total.hexdigest() if whole else None

        return self._patiently(place, attempt)

    def _entries_of(self, subdir: str) -> tuple[ChannelEntry, ...]:
        return self._patiently(f"its index of {subdir}", lambda: self._read(subdir))

    def _patiently(self, what: str, attempt: Callable[[], Result]) -> Result:
        return patiently(f"{what} cannot be read", attempt, patience=self._patience, label=self._label)

    def _download(self, place: str, target: Path) -> None:
        """One attempt."""
        with self._get(place) as answer:
            size = int(answer.headers.get("Content-Length") or 0)
            self._save(answer, target, limit_s=self._patience.upload_limit(size))

    @contextmanager
    def _get(self, place: str) -> Iterator[requests.Response]:
        """The answer with a file, whose faults are this channel's."""
        url = f"{self._url}/{place}"
        try:
            with (
                _Session(self._url, self._headers()) as session,
                session.get(url, stream=True, timeout=min(30.0, self._patience.reading_s)) as answer,
            ):
                if answer.status_code != 200:
                    raise self._fault(place, answer)
                yield answer
        except (requests.RequestException, OSError) as error:
            raise TransientError(self._credentials.redact(_reason(error))) from None

    def _read(self, subdir: str) -> tuple[ChannelEntry, ...]:
        """One attempt."""
        url = f"{self._url}/{subdir}/repodata.json"
        etag, known = self._known.get(subdir, ("", ()))
        headers = {"Cache-Control": "no-cache", **({"If-None-Match": etag} if etag else {})}
        try:
            with (
                _Session(self._url, self._headers()) as session,
                session.get(url, headers=headers, stream=True, timeout=min(30.0, self._patience.reading_s)) as answer,
            ):
                if answer.status_code == 304:
                    return known
                if answer.status_code == 404:
                    return ()
                if answer.status_code != 200:
                    raise self._fault(f"its index of {subdir}", answer)
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder) / subdir / "repodata.json"
                    path.parent.mkdir()
                    self._save(answer, path, limit_s=self._patience.reading_s)
                    try:
                        entries = read_repodata(path, subdir, where=url)
                    except ForgeError as error:
                        raise TransientError(self._credentials.redact(str(error))) from None
                self._known[subdir] = (answer.headers.get("ETag", ""), entries)
                return entries
        except (requests.RequestException, OSError) as error:
            raise TransientError(self._credentials.redact(_reason(error))) from None

    def _save(self, answer: requests.Response, path: Path, *, limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        with path.open("wb") as stream:
            for block in answer.iter_content(1 << 16):
                stream.write(block)
                if time.monotonic() > deadline:
                    raise TransientError(f"no whole answer within {limit_s:.0f} s")

    def _fault(self, what: str, answer: requests.Response) -> ForgeError | TransientError:
        body = next(answer.iter_content(400), b"").decode(errors="replace")
        words = self._credentials.redact(" ".join(body.split()))
        fault = f"HTTP {answer.status_code}: {words or answer.reason}"
        if answer.status_code == 429 or answer.status_code >= 500:
            return TransientError(fault, pause_s=retry_after(answer.headers.get("Retry-After")))
        remedy = f"check the key in {self._key_variable}" if answer.status_code in (401, 403) else None
        return ForgeError(f"{what} cannot be read: {fault}", where=self._label, remedy=remedy)


def is_open_to_all(url: str, *, seconds: float = 10.0) -> bool:
    """Whether a channel on a web server can be read without credentials, now."""
    try:
        with (
            _Session(url, {}) as session,
            session.get(f"{url}/noarch/repodata.json", stream=True, timeout=seconds) as answer,
        ):
            return answer.status_code == 200
    except (requests.RequestException, OSError):
        return False


class _Shown(requests.auth.AuthBase):
    """Shows the given headers, or nothing; never what a .netrc holds, which requests would take otherwise."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request


class _Session(requests.Session):
    """Keeps the headers on redirects within the server's own domain (prefix.dev to repo.prefix.dev), and nowhere else."""

    def __init__(self, home: str, headers: Mapping[str, str]) -> None:
        super().__init__()
        self._home = urlsplit(home)
        self._own_headers = headers
        self.auth = _Shown(headers)

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        there = urlsplit(prepared_request.url or "")
        host, home = str(there.hostname or ""), self._home.hostname or ""
        same_place = (there.scheme, there.port) == (self._home.scheme, self._home.port)
        if not (same_place and (host == home or host.endswith("." + home))):
            for name in ("Authorization", *self._own_headers):
                prepared_request.headers.pop(name, None)


def _reason(error: Exception) -> str:
    """What broke, without the library's layers around it."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    inner: BaseException = error
    while True:
        reason = getattr(inner, "reason", None) or (inner.args[0] if inner.args else None)
        if not isinstance(reason, BaseException):
            break
        inner = reason
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror.lower()
    known = re.search(r"Connection refused|Connection reset|Name or service not known|Remote end closed", str(inner))
    return known[0].lower() if known else first_line(inner)
