"""Uploads to servers: attempts in a child process, and what their outcomes mean."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import wvforge_dagster
from wvforge_dagster.channels.credentials import KEY_VARIABLES, SERVER_VARIABLES, Credentials, Identity
from wvforge_dagster.channels.patience import Patience
from wvforge_dagster.channels.protocol import ChannelEntry
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.package_file import PackageFile

_PASSED_ON = re.compile(
    r"PATH|LD_LIBRARY_PATH|HOME|LANG|LC_.*|TZ|TMPDIR|XDG_.*|DBUS_SESSION_BUS_ADDRESS|SSL_CERT_(FILE|DIR)|(https?|all|no)_proxy",
    re.IGNORECASE,
)
ATTESTATION = "attestation"
"""The argument of an attempt that is to make an attestation as well."""

_REMEDIES = {
    401: "check the key in {key}",
    403: "the key must be allowed to write to this channel",
    404: "create the channel on the server, or mend its name",
    413: "the server takes no file of this size",
}


REMOVABLE = ("prefix", "quetz", "anaconda", "artifactory")
"""Kinds of servers whose documented interface deletes one package by its name. Cloudsmith's takes an identifier that has to be
searched for first, and does it later."""


class Uploaded(Enum):
    """How a server took a package."""

    STORED = "stored"
    ALREADY_THERE = "already there"


@dataclass(frozen=True)
class _Attempt:
    """One attempt that did not store the package: the HTTP status, if there was an answer, the words, the pause asked for."""

    status: int | None
    words: str
    again: bool
    pause_s: float = 0.0

    @property
    def fault(self) -> str:
        return f"HTTP {self.status}: {self.words}" if self.status else self.words


def upload(
    package: PackageFile,
    *,
    kind: str,
    url: str,
    arguments: Mapping[str, str],
    credentials: Credentials,
    patience: Patience,
    label: str,
) -> Uploaded:
    """Upload a package, trying again where that can help: 429, 5xx, refused, broken or hanging connections.

    Args:
        kind: of the server, as in forge.yaml.
        arguments: what the worker's attempt of this kind takes, such as the channel.

    Raises:
        ForgeError: with the status and the server's words, and without the key.
    """
    identity = _identity(url, credentials, label) if arguments.get(ATTESTATION) else None
    request = {
        "action": "upload",
        "kind": kind,
        "file": str(package.path.absolute()),
        "subdir": package.subdir,
        "sha256": package.sha256,
        "url": url,
        "api_key": credentials.api_key_for(url, kind) if kind == "prefix" else credentials.secret_for(kind, url),
        "identity": {"url": identity.request_url, "token": identity.request_token} if identity else None,
        "auth_file": str(credentials.auth_file) if credentials.auth_file else None,
        "limit_s": patience.upload_limit(package.size),
        "arguments": dict(arguments),
    }
    attempt = _try_patiently(request, credentials, patience)
    if attempt is None:
        return Uploaded.STORED
    if attempt.status == 409:
        return Uploaded.ALREADY_THERE
    raise _fault(attempt, f"{package.filename} was not uploaded", kind, patience, label)


def remove(
    entry: ChannelEntry,
    *,
    kind: str,
    url: str,
    arguments: Mapping[str, str],
    credentials: Credentials,
    patience: Patience,
    label: str,
) -> None:
    """Have a server delete a package, trying again as for uploads; one that is not there is left so.

    Raises:
        ForgeError: with the status and the server's words, and without the key.
    """
    request = {
        "action": "remove",
        "kind": kind,
        "subdir": entry.subdir,
        "filename": entry.filename,
        "name": entry.name,
        "version": entry.version,
        "url": url,
        "api_key": credentials.secret_for(kind, url),
        "limit_s": patience.upload_limit(0),
        "arguments": dict(arguments),
    }
    if request["api_key"] is None:
        remedy = _where_a_key_goes(kind, "no key was given")
        raise ForgeError(f"{entry.filename} was not removed: there is no key", where=label, remedy=remedy)
    attempt = _try_patiently(request, credentials, patience)
    if attempt is not None and attempt.status != 404:
        raise _fault(attempt, f"{entry.filename} was not removed", kind, patience, label)


def refuse_removal(kind: str, label: str, arguments: Mapping[str, str]) -> None:
    """Raise ForgeError if packages are not removed from servers of this kind, or would go from other channels as well."""
    if kind not in REMOVABLE:
        words = f"packages are not removed from channels of the kind {kind}"
        raise ForgeError(words, where=label, remedy="do it on its website")
    if kind == "anaconda" and arguments.get("channel") != "main":
        # Its interface deletes a file, whatever labels it has.
        words = "packages are not removed from a label of anaconda.org: that removes them from all its labels"
        raise ForgeError(words, where=label, remedy="take the label from them on its website")


def _try_patiently(request: Mapping[str, Any], credentials: Credentials, patience: Patience) -> _Attempt | None:
    """The last attempt; None if the server did what it was asked."""
    attempt = _try_once(request, request["limit_s"], credentials)
    for pause in patience.pauses():
        if attempt is None or not attempt.again:
            break
        time.sleep(min(max(pause, attempt.pause_s), patience.longest_pause_s))
        attempt = _try_once(request, request["limit_s"], credentials)
    return attempt


def _fault(attempt: _Attempt, what: str, kind: str, patience: Patience, label: str) -> ForgeError:
    tried = f" (tried {patience.attempts} times)" if attempt.again and patience.attempts > 1 else ""
    remedy = _REMEDIES.get(attempt.status or 0, "try again later" if attempt.again else None)
    remedy = remedy.format(key=KEY_VARIABLES[kind]) if remedy else _where_a_key_goes(kind, attempt.words)
    return ForgeError(f"{what}{tried}: {attempt.fault}", where=label, remedy=remedy)


def _identity(url: str, credentials: Credentials, label: str) -> Identity:
    identity = credentials.identity_for(url)
    if identity is None:
        if credentials.identity is None:
            words = "attestation needs the identity of a GitHub Actions job, and there is none"
            remedy = "give the job 'permissions: id-token: write', or remove attestation from forge.yaml"
        else:
            words = "attestation is for prefix.dev: the job's identity is shown to no other server"
            remedy = "remove attestation or url from forge.yaml"
        raise ForgeError(words, where=label, remedy=remedy)
    return identity


def _where_a_key_goes(kind: str, words: str) -> str | None:
    """Which variables to set, where the engine found no key."""
    if "key was given" in words or "credentials were given" in words or "key provided" in words:
        names = [KEY_VARIABLES[kind], *([SERVER_VARIABLES[kind]] if kind in SERVER_VARIABLES else [])]
        return f"set {' and '.join(names)}, or name an auth file in RATTLER_AUTH_FILE"
    return None


def _try_once(request: Mapping[str, Any], limit: float, credentials: Credentials) -> _Attempt | None:
    """One attempt; None if the server took the package."""
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
        answer = json.loads(done.stdout.rsplit("\n", 1)[-1])
        error = answer["error"]
    except (ValueError, KeyError, TypeError):
        words = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        fault = f"the upload process ended with {done.returncode}: {words}"
        return _Attempt(None, credentials.redact(fault), again=False)
    if error is None:
        return None
    if status := answer.get("status"):
        words = credentials.excerpt(error, was_cut=bool(answer.get("cut"))) or "no words"
        return _Attempt(status, words, again=_may_pass(status), pause_s=answer.get("retry_after") or 0.0)
    return _understand(credentials.redact(error))


def _may_pass(status: int) -> bool:
    return status == 429 or status >= 500


def _understand(error: str) -> _Attempt:
    """The engine's words (py-rattler-build 0.73: ``client error (HTTP 404): words``) taken apart."""
    answered = re.search(r"\(HTTP (\d{3})\)(?:: (.*))?$", error, re.DOTALL)
    if answered:
        status = int(answered[1])
        words = " ".join((answered[2] or "").split())[:300] or "no words"
        return _Attempt(status, words, again=_may_pass(status))
    answered = re.search(r"HTTP status \w+ error \((\d{3})(?: ([^)]*))?\)", error)
    if answered:
        return _Attempt(int(answered[1]), answered[2] or "no words", again=_may_pass(int(answered[1])))
    if re.fullmatch(r"file \S+ already exists", error):
        return _Attempt(409, error, again=False)
    if error.startswith("error sending request"):
        return _Attempt(None, f"the connection was refused or broke ({error})", again=True)
    # Of these the engine does not say whether the server answered at all.
    silent = ("failed to upload file data", "failed to create or update", "error decoding response body")
    return _Attempt(None, " ".join(error.split())[:300], again=error.startswith(silent))
