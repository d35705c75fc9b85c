"""A small server that speaks prefix.dev's protocol for uploads, keeps what it is given, and misbehaves on demand.

It serves each channel's packages and repodata as files, with byte ranges and ETags; py-rattler writes the index.
"""

from __future__ import annotations

import asyncio
import email.parser
import email.policy
import hashlib
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from rattler.index import index_fs


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


class PrefixServer:
    """Use as a context manager; `url` is its address, `folder` holds one folder per channel.

    Attributes:
        key: who does not show it may not upload, nor read from `private` channels.
        upload_faults, read_faults: taken one by one for the next requests; `always_upload`, `always_read` are for all.
        hidden_for_s: how long an uploaded package is missing in the index, in seconds.
    """

    def __init__(self, folder: Path, *, key: str, channels: Iterable[str] = ("forge",)) -> None:
        self.folder = folder
        self.key = key
        self.private = False
        self.upload_faults: deque[Fault] = deque()
        self.read_faults: deque[Fault] = deque()
        self.always_upload: Fault | None = None
        self.always_read: Fault | None = None
        self.hidden_for_s = 0.0
        self.redirect_reads_to: str | None = None
        self.requests: list[Request] = []
        self.lock = threading.Lock()
        self.closing = threading.Event()
        for channel in channels:
            (folder / channel / "noarch").mkdir(parents=True)
            asyncio.run(index_fs(folder / channel))
        server = self

        class Handler(_Handler):
            owner = server

        self._http = _Http(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> PrefixServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()

    def uploads(self) -> list[Request]:
        return [request for request in self.requests if request.method == "POST"]

    def reads(self) -> list[Request]:
        return [request for request in self.requests if request.method == "GET"]

    def store(self, channel: str, filename: str, subdir: str, content: bytes) -> None:
        with self.lock:
            path = self.folder / channel / subdir / filename
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
            if not self.hidden_for_s:
                asyncio.run(index_fs(self.folder / channel))
        if self.hidden_for_s:
            threading.Timer(self.hidden_for_s, lambda: asyncio.run(index_fs(self.folder / channel))).start()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that go away are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: PrefixServer

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        self._note()
        fault = self._next(self.owner.upload_faults, self.owner.always_upload)
        if fault.end == "reset" and not fault.stored:
            self._reset()
            return
        body = self.rfile.read(int(self.headers["content-length"]))
        if fault.status is not None and not fault.stored:
            self._answer(fault.status, fault.words.encode(), fault)
            return
        if fault.end == "hang":
            self._hang()
            return
        status, words = self._take(body, fault)
        self._answer(fault.status or status, (fault.words if fault.status else words).encode(), fault)

    def _take(self, body: bytes, fault: Fault) -> tuple[int, str]:
        parts = self.path.split("?")[0].split("/")
        if parts[:4] != ["", "api", "v1", "upload"] or len(parts) != 5:
            return 404, "no such address"
        channel = parts[4]
        if self.headers.get("authorization") != f"Bearer {self.owner.key}":
            return 401, "invalid API key"
        if not (self.owner.folder / channel).is_dir():
            return 404, f"channel '{channel}' not found"
        content = f"content-type: {self.headers['content-type']}\r\n\r\n".encode() + body
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(content)
        part = next(
            part for part in message.iter_parts() if part.get_param("name", header="content-disposition") == "file"
        )
        package = part.get_payload(decode=True)
        assert isinstance(package, bytes)
        filename, wanted = part["x-file-name"], part["x-file-sha256"]
        if hashlib.sha256(package).hexdigest() != wanted or len(package) != int(part["content-length"]):
            return 422, "the file does not match its hash"
        if list((self.owner.folder / channel).glob(f"*/{filename}")):
            return 409, f"{filename} already exists"
        subdir = _subdir_of(package)
        self.owner.store(channel, filename, subdir, _other_bytes(package) if fault.spoil else package)
        return 201, "created"

    def do_GET(self) -> None:
        self._note()
        fault = self._next(self.owner.read_faults, self.owner.always_read)
        if fault.end == "reset":
            self._reset()
            return
        if fault.end == "hang":
            self._hang()
            return
        if self.owner.redirect_reads_to:
            self._answer(302, b"", Fault(headers=(("Location", self.owner.redirect_reads_to + self.path),)))
            return
        if fault.status is not None:
            self._answer(fault.status, fault.words.encode(), fault)
            return
        if self.owner.private and self.headers.get("authorization") != f"Bearer {self.owner.key}":
            self._answer(401, b"this channel is private", fault)
            return
        path = self.owner.folder / self.path.lstrip("/")
        if ".." in self.path or not path.is_file():
            self._answer(404, b"not found", fault)
            return
        self._serve(path.read_bytes(), fault)

    do_HEAD = do_GET  # noqa: N815

    def _serve(self, content: bytes, fault: Fault) -> None:
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        headers = (("ETag", etag), ("Accept-Ranges", "bytes"))
        if self.headers.get("if-none-match") == etag:
            self._answer(304, b"", Fault(headers=headers))
            return
        wanted = self.headers.get("range", "")
        if wanted.startswith("bytes="):
            first, last = wanted.removeprefix("bytes=").split("-")
            start = int(first) if first else max(len(content) - int(last), 0)
            stop = min(int(last) + 1, len(content)) if first and last else len(content)
            headers += (("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}"),)
            self._answer(206, content[start:stop], Fault(headers=headers, end=fault.end))
            return
        self._answer(200, content, Fault(headers=headers, end=fault.end))

    def _answer(self, status: int, body: bytes, fault: Fault) -> None:
        if fault.end == "reset":
            self._reset()
            return
        self.send_response(status)
        for name, value in fault.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        if fault.end == "cut":
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if fault.end == "cut" else body)
        self.wfile.flush()
        if fault.end == "cut":
            self.close_connection = True

    def _hang(self) -> None:
        self.owner.closing.wait(60)
        self.close_connection = True

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
        self.wfile = self.rfile = _Closed()  # type: ignore[assignment]

    def _note(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.owner.requests.append(Request(self.command, self.path, headers))

    def _next(self, faults: deque[Fault], always: Fault | None) -> Fault:
        with self.owner.lock:
            return faults.popleft() if faults else always or Fault()


class _Closed:
    """Stands for the streams of a connection that was reset, which the standard handler flushes and closes."""

    closed = True

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def _subdir_of(package: bytes) -> str:
    import tempfile

    from rattler.package import IndexJson

    with tempfile.NamedTemporaryFile(suffix=".conda") as stream:
        stream.write(package)
        stream.flush()
        return IndexJson.from_package_archive(Path(stream.name)).subdir or "noarch"


def _other_bytes(package: bytes) -> bytes:
    """The same package in an archive of another hash: a comment is added at the end of the zip file."""
    return package[:-2] + struct.pack("<H", 3) + b"bad"
