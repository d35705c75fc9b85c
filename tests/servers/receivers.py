"""Local receivers of messages: a webhook, a mail server, one that says nothing, and one that is not there."""

from __future__ import annotations

import email
import email.policy
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler
from typing import Any

from aiosmtpd.controller import Controller

from servers.http_server import HttpServer

PASSWORD = "s3cret-w0rd"
"""Part of every address here."""


class _Handler(BaseHTTPRequestHandler):
    owner: Webhook

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.owner.note(self)
        if self.owner.status == 200:
            self.owner.messages.append(body)
        self.send_response(self.owner.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words: object) -> None:
        """Nobody listens."""


class Webhook(HttpServer):
    """Takes messages as JSON.

    Attributes:
        status: what it answers with.
    """

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.messages: list[dict[str, Any]] = []
        self.status = 200

    @property
    def address(self) -> str:
        return f"json://forge:{PASSWORD}@{self.root.removeprefix('http://')}/hook"

    def told(self) -> list[tuple[str, list[str]]]:
        """Title and lines of each message, in order; they are forgotten."""
        found = [(message["title"], message["message"].splitlines()) for message in self.messages]
        self.messages.clear()
        return found


class _Inbox:
    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 OK"


@contextmanager
def mail_server() -> Iterator[tuple[str, list[EmailMessage]]]:
    """An address of a mail server, and what arrived there."""
    inbox = _Inbox()
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield f"mailto://127.0.0.1:{controller.port}/?from=forge@example.org&to=me@example.org", inbox.mails
    finally:
        controller.stop()


@contextmanager
def silent_server() -> Iterator[str]:
    """An address of a server that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"json://forge:{PASSWORD}@127.0.0.1:{listening.getsockname()[1]}/hook?rto=600"


def nobody() -> str:
    """An address at which nobody listens."""
    return f"json://forge:{PASSWORD}@127.0.0.1:{free_port()}/hook"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
