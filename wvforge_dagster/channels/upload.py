"""Uploads to servers that speak prefix.dev's protocol: attempts in a child process, and what their outcomes mean."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import wvforge_dagster
from wvforge_dagster.channels.credentials import Credentials
from wvforge_dagster.channels.patience import Patience
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.package_file import PackageFile

_PASSED_ON = re.compile(
    r"PATH|LD_LIBRARY_PATH|HOME|LANG|LC_.*|TZ|TMPDIR|XDG_.*|DBUS_SESSION_BUS_ADDRESS|SSL_CERT_(FILE|DIR)|(https?|all|no)_proxy",
    re.IGNORECASE,
)
_REMEDIES = {
    401: "check the key in PREFIX_API_KEY",
    403: "the key must be allowed to write to this channel",
    404: "create the channel on the server, or mend its name",
    413: "the server takes no file of this size",
}


class Uploaded(Enum):
    """How a server took a package."""

    STORED = "stored"
    ALREADY_THERE = "already there"


@dataclass(frozen=True)
class _Attempt:
    """One attempt that did not store the package: the HTTP status, if there was an answer, and the words."""

    status: int | None
    words: str
    again: bool

    @property
    def fault(self) -> str:
        return f"HTTP {self.status}: {self.words}" if self.status else self.words


def upload(
    package: PackageFile, *, url: str, channel: str, credentials: Credentials, patience: Patience, label: str
) -> Uploaded:
    """Upload a package, trying again where that can help: 429, 5xx, refused, broken or hanging connections.

    The engine itself tries 429 and 5xx four times within one attempt and does not show a Retry-After.

    Raises:
        ForgeError: with the status and the server's words, and without the key.
    """
    attempt = _try_once(package, url, channel, credentials, patience)
    for pause in patience.pauses():
        if attempt is None or not attempt.again:
            break
        time.sleep(pause)
        attempt = _try_once(package, url, channel, credentials, patience)
    if attempt is None:
        return Uploaded.STORED
    if attempt.status == 409:
        return Uploaded.ALREADY_THERE
    tried = f" (tried {patience.attempts} times)" if attempt.again and patience.attempts > 1 else ""
    remedy = _REMEDIES.get(attempt.status or 0, "try again later" if attempt.again else None)
    raise ForgeError(f"{package.filename} was not uploaded{tried}: {attempt.fault}", where=label, remedy=remedy)


def _try_once(
    package: PackageFile, url: str, channel: str, credentials: Credentials, patience: Patience
) -> _Attempt | None:
    """One attempt; None if the server took the package."""
    limit = patience.upload_limit(package.size)
    request = {
        "file": str(package.path.absolute()),
        "url": url,
        "channel": channel,
        "api_key": credentials.api_key_for(url),
        "auth_file": str(credentials.auth_file) if credentials.auth_file else None,
        "limit_s": limit,
    }
    try:
        done = subprocess.run(
            [sys.executable, "-m", "wvforge_dagster.channels.upload_worker"],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
            cwd=Path(wvforge_dagster.__file__).parent.parent,
            env={name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)},
        )
    except subprocess.TimeoutExpired:
        return _Attempt(None, f"no answer within {limit:.0f} s", again=True)
    try:
        error = json.loads(done.stdout)["error"]
    except (ValueError, KeyError, TypeError):
        words = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        fault = f"the upload process ended with {done.returncode}: {words}"
        return _Attempt(None, credentials.redact(fault), again=False)
    return None if error is None else _understand(credentials.redact(error))


def _understand(error: str) -> _Attempt:
    """The engine's words (py-rattler-build 0.73: ``client error (HTTP 404): words``) taken apart."""
    answered = re.search(r"\(HTTP (\d{3})\)(?:: (.*))?$", error, re.DOTALL)
    if answered:
        status = int(answered[1])
        words = " ".join((answered[2] or "").split())[:300] or "no words"
        return _Attempt(status, words, again=status == 429 or status >= 500)
    if error.startswith("error sending request"):
        return _Attempt(None, f"the connection was refused or broke ({error})", again=True)
    return _Attempt(None, error, again=False)
