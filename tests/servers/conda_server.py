"""A small server that keeps packages and serves channels of them; what an upload looks like is said by its kinds.

It serves each channel's packages and repodata as files, with byte ranges and ETags; py-rattler writes the index.
"""

from __future__ import annotations

import asyncio
import email.parser
import email.policy
import hashlib
import struct
import tempfile
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar

from rattler.index import index_fs
from rattler.package import IndexJson

from servers.http_server import Fault, HttpServer, Request, reset, send

Answer = tuple[int, str]


class CondaServer(HttpServer):
    """Use as a context manager; `url` is its address, `folder` holds one folder per channel.

    Attributes:
        key: who does not show it may not upload, nor read from `private` channels.
        upload_faults, read_faults: taken one by one for the next uploads and reads; `always_upload`, `always_read` are for all.
        hidden_for_s: how long an uploaded package is missing in the index, in seconds.
        read_headers: further headers of what is read.
        told_length: what is said to be its length, which the end of the connection shows then.
    """

    read_path: ClassVar[str] = ""
    """What stands before a channel's name in the addresses that are read."""

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
        self.read_headers: tuple[tuple[str, str], ...] = ()
        self.told_length: str | None = None
        for channel in channels:
            (folder / channel / "noarch").mkdir(parents=True)
            asyncio.run(index_fs(folder / channel))
        super().__init__(_Handler)

    def is_upload(self, method: str, path: str) -> bool:
        """Whether a request begins an upload: these are counted, and meet the faults."""
        raise NotImplementedError

    def is_read(self, method: str, path: str) -> bool:
        """Whether a request reads a channel."""
        return method in ("GET", "HEAD")

    def may_write(self, headers: dict[str, str]) -> bool:
        """Whether the key is shown as this kind shows it."""
        raise NotImplementedError

    def may_read(self, headers: dict[str, str]) -> bool:
        return self.may_write(headers)

    def upload(self, request: Request, body: bytes, fault: Fault) -> Answer:
        """Take an upload, or the part of it that this request is."""
        raise NotImplementedError

    def remove(self, path: str) -> Answer:
        """Delete a package, where this kind's protocol has an address for that."""
        return 405, "method not allowed"

    def discard(self, channel: str, subdir: str, filename: str) -> Answer:
        """Take a package out of a channel, and out of its index."""
        path = self.folder / channel / subdir / filename
        if not path.is_file():
            return 404, "no such package"
        with self.lock:
            path.unlink()
            asyncio.run(index_fs(self.folder / channel))
        return 200, "{}"

    def uploads(self) -> list[Request]:
        return [request for request in self.requests if self.is_upload(request.method, request.path)]

    def reads(self) -> list[Request]:
        return [request for request in self.requests if self.is_read(request.method, request.path)]

    def keep(self, channel: str, filename: str, package: bytes, fault: Fault) -> Answer:
        """Put a package into a channel as a server does after it was sent."""
        if not (self.folder / channel).is_dir():
            return 404, f"channel '{channel}' not found"
        if list((self.folder / channel).glob(f"*/{filename}")):
            return 409, f"{filename} already exists"
        subdir = subdir_of(package)
        self.store(channel, filename, subdir, other_bytes(package) if fault.spoil else package)
        return 201, "created"

    def store(self, channel: str, filename: str, subdir: str, content: bytes) -> None:
        with self.lock:
            path = self.folder / channel / subdir / filename
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
            if not self.hidden_for_s:
                asyncio.run(index_fs(self.folder / channel))
        if self.hidden_for_s:
            threading.Timer(self.hidden_for_s, lambda: asyncio.run(index_fs(self.folder / channel))).start()

    def fault_for(self, method: str, path: str) -> Fault:
        """The fault that a request which is no read meets."""
        return self.next_fault(self.upload_faults, self.always_upload) if self.is_upload(method, path) else Fault()

    def next_fault(self, faults: deque[Fault], always: Fault | None) -> Fault:
        with self.lock:
            return faults.popleft() if faults else always or Fault()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: CondaServer

    def log_message(self, *_: object) -> None:
        pass

    def answer(self) -> None:
        self.owner.note(self)
        request = self.owner.requests[-1]
        request = replace(request, method=self.command, path=self.path)
        if self.owner.is_read(self.command, self.path):
            self._read(request)
        else:
            self._write(request)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

    def _write(self, request: Request) -> None:
        fault = self.owner.fault_for(self.command, self.path)
        if fault.end == "reset" and not fault.stored:
            reset(self)
            return
        body = self._body()
        if fault.status is not None and not fault.stored:
            send(self, fault.status, fault.words.encode(), fault)
            return
        if fault.end == "hang":
            self._hang()
            return
        if not self.owner.may_write(request.headers):
            send(self, 401, b"invalid API key", fault)
            return
        if self.command == "DELETE":
            status, words = self.owner.remove(self.path)
        else:
            status, words = self.owner.upload(request, body, fault)
        send(self, fault.status or status, (fault.words if fault.status else words).encode(), fault)

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        blocks = []
        while size := int(self.rfile.readline(), 16):
            blocks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(blocks)

    def _read(self, request: Request) -> None:
        fault = self.owner.next_fault(self.owner.read_faults, self.owner.always_read)
        if fault.end == "reset":
            reset(self)
            return
        if fault.end == "hang":
            self._hang()
            return
        if self.owner.redirect_reads_to:
            send(self, 302, b"", Fault(headers=(("Location", self.owner.redirect_reads_to + self.path),)))
            return
        if fault.status is not None:
            send(self, fault.status, fault.words.encode(), fault)
            return
        if self.owner.private and not self.owner.may_read(request.headers):
            send(self, 401, b"this channel is private", fault)
            return
        path = self.owner.folder / self.path.removeprefix(self.owner.read_path).lstrip("/")
        if ".." in self.path or not self.path.startswith(self.owner.read_path) or not path.is_file():
            send(self, 404, b"not found", fault)
            return
        self._serve(path.read_bytes(), fault)

    def _serve(self, content: bytes, fault: Fault) -> None:
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        headers = (("ETag", etag), ("Accept-Ranges", "bytes"), *self.owner.read_headers)
        if self.headers.get("if-none-match") == etag:
            send(self, 304, b"", Fault(headers=headers))
            return
        wanted = self.headers.get("range", "")
        if wanted.startswith("bytes="):
            first, last = wanted.removeprefix("bytes=").split("-")
            start = int(first) if first else max(len(content) - int(last), 0)
            stop = min(int(last) + 1, len(content)) if first and last else len(content)
            headers += (("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}"),)
            send(self, 206, content[start:stop], Fault(headers=headers, end=fault.end))
            return
        self.close_connection = self.owner.told_length is not None
        send(self, 200, content, Fault(headers=headers, end=fault.end), size=self.owner.told_length)

    def _hang(self) -> None:
        self.owner.closing.wait(60)
        self.close_connection = True


def parts_of(request: Request, body: bytes) -> dict[str, EmailMessage]:
    """The parts of a multipart form by their names."""
    content = f"content-type: {request.headers['content-type']}\r\n\r\n".encode() + body
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(content)
    return {str(part.get_param("name", header="content-disposition")): part for part in message.iter_parts()}  # type: ignore[misc]


def bytes_of(part: EmailMessage) -> bytes:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content


def subdir_of(package: bytes) -> str:
    with tempfile.NamedTemporaryFile(suffix=".conda") as stream:
        stream.write(package)
        stream.flush()
        return IndexJson.from_package_archive(Path(stream.name)).subdir or "noarch"


def other_bytes(package: bytes) -> bytes:
    """The same package in an archive of another hash: a comment is added at the end of the zip file."""
    return package[:-2] + struct.pack("<H", 3) + b"bad"
