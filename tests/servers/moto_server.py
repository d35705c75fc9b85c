"""A real server of S3's protocol: ``moto_server`` in a process of its own, and a relay before it that misbehaves on demand."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import time
from collections import deque
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from urllib.request import urlopen

from servers.http_server import Fault, HttpServer, Request, reset, send


class MotoServer:
    """Use as a context manager; `url` is its address. Buckets live as long as it does."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> MotoServer:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                with urlopen(f"{self.url}/moto-api/", timeout=5):
                    return self
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()


class S3Relay(HttpServer):
    """Passes requests on to `behind`, except for the faults.

    Attributes:
        upload_faults, always_upload: for puts of packages.
        read_faults, always_read: for gets of repodata.json.
        index_faults, always_index: for puts of repodata.json.
    """

    def __init__(self, behind: MotoServer) -> None:
        self.upload_faults: deque[Fault] = deque()
        self.read_faults: deque[Fault] = deque()
        self.index_faults: deque[Fault] = deque()
        self.always_index: Fault | None = None
        self.always_upload: Fault | None = None
        self.always_read: Fault | None = None
        self.behind = behind
        super().__init__(_Handler)

    def uploads(self) -> list[Request]:
        return [request for request in self.requests if _is_upload(request.method, request.path)]

    def reads(self) -> list[Request]:
        return [request for request in self.requests if _is_read(request.method, request.path)]

    def fault_for(self, method: str, path: str) -> Fault:
        with self.lock:
            if _is_upload(method, path):
                return self.upload_faults.popleft() if self.upload_faults else self.always_upload or Fault()
            if _is_read(method, path):
                return self.read_faults.popleft() if self.read_faults else self.always_read or Fault()
            if _is_index(method, path):
                return self.index_faults.popleft() if self.index_faults else self.always_index or Fault()
            return Fault()


def _is_index(method: str, path: str) -> bool:
    return method == "PUT" and path.split("?", maxsplit=1)[0].endswith("/repodata.json")


def _is_upload(method: str, path: str) -> bool:
    return method == "PUT" and path.split("?", maxsplit=1)[0].endswith((".conda", ".tar.bz2"))


def _is_read(method: str, path: str) -> bool:
    return method == "GET" and path.split("?", maxsplit=1)[0].endswith("/repodata.json")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: S3Relay

    def log_message(self, *_: object) -> None:
        pass

    def pass_on(self) -> None:
        self.owner.note(self)
        fault = self.owner.fault_for(self.command, self.path)
        if fault.end == "reset" and not fault.stored:
            reset(self)
            return
        if self.headers.get("expect"):
            self.send_response_only(100)
            self.end_headers()
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if fault.end == "hang":
            self.owner.closing.wait(60)
            self.close_connection = True
            return
        if fault.status is not None and not fault.stored:
            code = dict(fault.headers).get("x-code", "NoLuck")
            words = f"<Error><Code>{code}</Code><Message>{fault.words}</Message></Error>".encode()
            send(self, fault.status, words, fault)
            return
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("expect", "connection")}
        if fault.spoil:
            body = body[:-2] + b"\x03\x00bad"
            headers = {
                name: value
                for name, value in headers.items()
                if not name.lower().startswith(
                    ("x-amz-checksum", "x-amz-sdk-checksum", "content-md5", "content-length")
                )
            }
            headers["Content-Length"] = str(len(body))
        link = http.client.HTTPConnection("127.0.0.1", self.owner.behind.port, timeout=60)
        link.request(self.command, self.path, body=body, headers=headers)
        answer = link.getresponse()
        content = answer.read()
        kept = [
            (name, value)
            for name, value in answer.getheaders()
            if name.lower() not in ("connection", "transfer-encoding", "server", "date", "content-length")
        ]
        size = answer.getheader("content-length") if self.command == "HEAD" else None
        send(self, answer.status, content, Fault(headers=tuple(kept), end=fault.end), size=size)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = pass_on  # noqa: N815
