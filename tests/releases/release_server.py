"""A web server with releases: folders of files, projects of an index of Python packages, and ways to misbehave."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

SIMPLE = "application/vnd.pypi.simple.v1+json"


class ReleaseServer:
    """Serves a folder at `url`.

    Attributes:
        files: of each project of the index below ``/simple/``, as PEP 691 has them.
        html: whether that index speaks HTML only (PEP 503).
        hangs: paths that are not answered.
        floods: paths whose answers do not end.
        drips: paths whose answers come byte by byte.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.files: dict[str, list[dict[str, Any]]] = {}
        self.html = False
        self.hangs: set[str] = set()
        self.floods: set[str] = set()
        self.drips: set[str] = set()
        self.asked: list[str] = []
        self.closing = Event()


class _Handler(SimpleHTTPRequestHandler):
    served: ReleaseServer

    def do_GET(self) -> None:
        served = self.served
        served.asked.append(self.path)
        if self.path in served.hangs:
            served.closing.wait()
            return
        project = self.path.removeprefix("/simple/").strip("/")
        if self.path in served.floods:
            self._answer("text/html", None)
            with_end = time.monotonic() + 60
            while time.monotonic() < with_end:
                self.wfile.write(b"<a href='x'>" * 100_000)
        elif self.path in served.drips:
            self._answer("text/html", None)
            while not served.closing.wait(0.2):
                self.wfile.write(b" ")
        elif self.path.startswith("/simple/") and project in served.files:
            files = served.files[project]
            if SIMPLE in self.headers.get("Accept", "") and not served.html:
                page = {"meta": {"api-version": "1.1"}, "name": project, "files": files}
                self._answer(SIMPLE, json.dumps(page).encode())
                return
            lines = (
                f'<a href="/files/{file["filename"]}#sha256=0"{" data-yanked=" if file.get("yanked") else ""}>x</a><br>'
                for file in files
            )
            self._answer("text/html", f"<!DOCTYPE html><html><body>{''.join(lines)}</body></html>".encode())
        else:
            super().do_GET()

    def _answer(self, kind: str, body: bytes | None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        if body is not None:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that go away are part of the tests."""


@contextmanager
def release_server(folder: Path) -> Iterator[ReleaseServer]:
    folder.mkdir(parents=True, exist_ok=True)
    served = ReleaseServer(folder, "")
    handler = type("Handler", (_Handler,), {"served": served})
    with _Http(("127.0.0.1", 0), partial(handler, directory=str(folder))) as server:
        served.url = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield served
        served.closing.set()
        server.shutdown()
