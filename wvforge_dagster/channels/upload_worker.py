"""A process that makes one attempt to upload or to delete one package, and nothing else: ``python -m`` this module.

rattler-build's uploads hold the GIL and have no time limit, so they get a process that can be ended. It is the only one
that is given the key: through standard input, where neither the process list nor its environment shows it.

Standard input: a JSON object with ``action`` (upload or remove), ``kind``, ``subdir``, ``url``, ``api_key`` (or null),
``limit_s``, and ``arguments``, which depend on the kind; to upload also ``file``, ``sha256``, ``auth_file`` and ``identity``
(or null), to remove ``filename``, ``name`` and ``version``.
Standard output: a JSON object with ``error``, the words or null, and where it can be seen the answer's ``status``,
``retry_after`` (seconds) and ``cut`` (whether the words go on).
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wvforge_dagster.channels.header_numbers import retry_after
from wvforge_dagster.channels.redaction import WORDS_READ
from wvforge_dagster.own_process import end_with_parent, hide_from_builds

Answer = dict[str, Any]


def main() -> None:
    # The engine does not let Python's own handlers run: the system ends this process, on Ctrl-C, past its
    # time limit, and when its parent is gone.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    end_with_parent()
    # Before it has the key: no other process of the same user is to read it here.
    hide_from_builds()
    request = json.load(sys.stdin)
    signal.alarm(math.ceil(request["limit_s"]) + 5)
    answer: Answer
    try:
        answer = _remove(request) if request["action"] == "remove" else _ATTEMPTS[request["kind"]](request)
    except Exception as fault:  # the engine has no common class of its errors
        answer = {"error": str(fault) or type(fault).__name__}
    json.dump(answer, sys.stdout)


def _prefix(request: Mapping[str, Any]) -> Answer:
    from rattler_build.upload import upload_package_to_prefix

    channel, identity = request["arguments"]["channel"], request["identity"]
    if identity is None:
        upload_package_to_prefix([request["file"]], request["url"], channel, **_access(request))
        return {"error": None}
    # Set here, and not by the parent, so that the process list does not show them.
    os.environ |= {
        "GITHUB_ACTIONS": "true",
        "ACTIONS_ID_TOKEN_REQUEST_URL": identity["url"],
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": identity["token"],
    }
    with tempfile.TemporaryDirectory() as folder:
        # The engine writes the attestation beside the package, which may lie in a channel.
        package = Path(folder) / Path(request["file"]).name
        package.symlink_to(request["file"])
        # With a key it would upload without an attestation, and say nothing.
        upload_package_to_prefix([str(package)], request["url"], channel, generate_attestation=True)
    return {"error": None}


def _cloudsmith(request: Mapping[str, Any]) -> Answer:
    from rattler_build.upload import upload_package_to_cloudsmith

    owner, repository = request["arguments"]["owner"], request["arguments"]["repository"]
    upload_package_to_cloudsmith([request["file"]], owner, repository, url=request["url"], **_access(request))
    return {"error": None}


def _anaconda(request: Mapping[str, Any]) -> Answer:
    from rattler_build.upload import upload_package_to_anaconda

    owner, channel = request["arguments"]["owner"], request["arguments"]["channel"]
    try:
        upload_package_to_anaconda([request["file"]], owner, channel=[channel], url=request["url"], **_access(request))
    except Exception as fault:  # the engine has no common class of its errors
        if request["api_key"] is None:
            raise
        # The engine drops the words of these answers, and of the second kind the status: what can be asked again is.
        name, version, _ = Path(request["file"]).name.rsplit("-", 2)
        package, release = f"package/{owner}/{name}", f"release/{owner}/{name}/{version}"
        again = {
            "unexpected server response": ("GET", package),
            "failed to create or update package": ("POST", package),
            "failed to create or update release": ("POST", release),
        }
        for words, (method, place) in again.items():
            if str(fault).startswith(words):
                told = _tell_again(request, method, place)
                return {**told, "error": str(fault) + (f": {told['error']}" if told["error"] else "")}
        raise
    return {"error": None}


def _tell_again(request: Mapping[str, Any], method: str, place: str) -> Answer:
    headers = {"Authorization": f"token {request['api_key']}", "Accept": "application/json"}
    content = {"public": True, "publish": False, "public_attrs": {}} if method == "POST" else None
    return _ask(method, f"{request['url']}/{place}", headers, json=content, timeout=30)


def _quetz(request: Mapping[str, Any]) -> Answer:
    if request["api_key"] is None:
        from rattler_build.upload import upload_package_to_quetz

        # It looks for a key in the auth file and the keyring. It says of no answer what it was, so it is used for nothing else.
        upload_package_to_quetz(
            [request["file"]], request["url"], request["arguments"]["channel"], auth_file=request["auth_file"]
        )
        return {"error": None}
    name = Path(request["file"]).name
    url = f"{request['url']}/api/channels/{request['arguments']['channel']}/upload/{name}"
    headers = {"X-API-Key": request["api_key"], "Content-Type": "application/octet-stream"}
    with Path(request["file"]).open("rb") as stream:
        query = {"force": "false", "sha256": request["sha256"]}
        return _ask("POST", url, headers, data=stream, params=query, timeout=(30, request["limit_s"]))


def _artifactory(request: Mapping[str, Any]) -> Answer:
    channel = request["arguments"]["channel"]
    if request["api_key"] is None:
        from rattler_build.upload import upload_package_to_artifactory

        # As for quetz.
        upload_package_to_artifactory([request["file"]], request["url"], channel, auth_file=request["auth_file"])
        return {"error": None}
    name = Path(request["file"]).name
    url = f"{request['url']}/{channel}/{request['subdir']}/{name}"
    headers = {"Authorization": f"Bearer {request['api_key']}"}
    there = _ask("GET", url, headers, timeout=30)  # the body is left unread
    if there["error"] is None:
        return {"error": f"{name} is there already", "status": 409}
    if there.get("status") != 404:
        return there
    headers |= {"X-Checksum-Sha256": request["sha256"], "Content-Type": "application/octet-stream"}
    with Path(request["file"]).open("rb") as stream:
        return _ask("PUT", url, headers, data=stream, timeout=(30, request["limit_s"]))


def _remove(request: Mapping[str, Any]) -> Answer:
    """One package deleted, by each kind's own address for it: as the public clients of prefix.dev and anaconda.org do, and as
    the interfaces of quetz (0.10) and Artifactory are documented."""
    url, key, arguments = request["url"], request["api_key"], request["arguments"]
    place = f"{request['subdir']}/{request['filename']}"
    match request["kind"]:
        case "prefix":
            address, headers = f"{url}/api/v1/delete/{arguments['channel']}/{place}", {"Authorization": f"Bearer {key}"}
        case "quetz":
            package = f"{url}/api/channels/{arguments['channel']}/packages/{request['name']}"
            address, headers = f"{package}/versions/{place}", {"X-API-Key": key}
        case "anaconda":
            release = f"{url}/dist/{arguments['owner']}/{request['name']}/{request['version']}"
            address, headers = f"{release}/{place}", {"Authorization": f"token {key}"}
        case "artifactory":
            address, headers = f"{url}/{arguments['channel']}/{place}", {"Authorization": f"Bearer {key}"}
        case kind:
            return {"error": f"packages are not removed from channels of the kind {kind}"}
    return _ask("DELETE", address, headers, timeout=(30, request["limit_s"]))


def _ask(method: str, url: str, headers: Mapping[str, str], **arguments: Any) -> Answer:
    """One request, with these headers and what no .netrc holds, that follows no redirect."""
    import requests

    def show(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        prepared.headers.update(headers)
        return prepared

    try:
        with requests.request(method, url, auth=show, allow_redirects=False, stream=True, **arguments) as answer:
            status, asked = answer.status_code, answer.headers.get("Retry-After")
            words = b""
            if not 200 <= status < 300:
                words = next(answer.iter_content(WORDS_READ), b"")
    except (requests.RequestException, OSError) as fault:
        return {"error": f"error sending request ({fault})"}
    if 200 <= status < 300:
        return {"error": None}
    # The parent takes the secrets out: it knows more of them than this one.
    said = words.decode(errors="replace").strip() or answer.reason or "no words"
    return {"error": said, "cut": len(words) >= WORDS_READ, "status": status, "retry_after": retry_after(asked)}


def _access(request: Mapping[str, Any]) -> dict[str, Any]:
    return {"api_key": request["api_key"], "auth_file": request["auth_file"]}


_ATTEMPTS: dict[str, Callable[[Mapping[str, Any]], Answer]] = {
    "prefix": _prefix,
    "quetz": _quetz,
    "anaconda": _anaconda,
    "artifactory": _artifactory,
    "cloudsmith": _cloudsmith,
}


if __name__ == "__main__":
    main()
