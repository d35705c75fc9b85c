"""What the servers of the tests have in common: a thread that serves, a record of requests, and ways to misbehave."""

from __future__ import annotations

import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Fault:
    """One way to misbehave.

    Attributes:
        status: what to answer with; None: what is right.
        words: the body of the answer.
        headers: further headers of the answer.
        stored: whether an uploaded package is kept all the same.
        end: ``hang``, ``reset``, ``cut`` (the answer stops in the middle) or ``""``.
        spoil: keep other bytes than were uploaded.
    """

    status: int | None = None
    words: str = "no luck"
    headers: tuple[tuple[str, str], ...] = ()
    stored: bool = False
    end: str = ""
    spoil: bool = False


@dataclass
class Request:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    at: float = field(default_factory=time.monotonic)


class HttpServer:
    """Use as a context manager; `url` is its address."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self.requests: list[Request] = []
        self.lock = threading.Lock()
        self.closing = threading.Event()
        owned = type(handler.__name__, (handler,), {"owner": self})
        self._http = _Http(("127.0.0.1", 0), owned)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def root(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def url(self) -> str:
        """What a channel is given as its server."""
        return self.root

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()

    def note(self, handler: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.requests.append(Request(handler.command, handler.path, headers))


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, fault: Fault, *, size: str | None = None) -> None:
    """Answer, or end the connection as the fault says."""
    if fault.end == "reset":
        reset(handler)
        return
    handler.send_response(status)
    for name, value in fault.headers:
        handler.send_header(name, value)
    handler.send_header("Content-Length", size or str(len(body)))
    if fault.end == "cut":
        handler.send_header("Connection", "close")
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body[: len(body) // 2] if fault.end == "cut" else body)
    handler.wfile.flush()
    if fault.end == "cut":
        handler.close_connection = True


def reset(handler: Any) -> None:
    """End the connection the hard way."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True
    handler.wfile = handler.rfile = _Closed()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that go away are part of the tests."""


class _Closed:
    """Stands for the streams of a connection that was reset, which the standard handler flushes and closes."""

    closed = True

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass
