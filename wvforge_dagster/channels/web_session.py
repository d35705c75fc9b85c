"""Talking with a web server: whom the credentials are shown, and what its faults are called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import requests

from wvforge_dagster.causes import innermost, system_words
from wvforge_dagster.rattler_calls import first_line


class _Shown(requests.auth.AuthBase):
    """Shows the given headers, or nothing; never what a .netrc holds, which requests would take otherwise."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request


class WebSession(requests.Session):
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


def reason_of(error: Exception) -> str:
    """What broke while talking with a server, without the library's layers around it."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, ValueError) and not isinstance(error, requests.RequestException):
        # An address that the server sends the reader to, or another header, that no library can read.
        return f"its answer cannot be understood: {first_line(error)}"
    inner = innermost(error)
    if words := system_words(inner):
        return words
    known = re.search(r"Connection refused|Connection reset|Name or service not known|Remote end closed", str(inner))
    return known[0].lower() if known else first_line(inner)
