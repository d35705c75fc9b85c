"""quetz's protocol for uploads, as quetz-server documents it."""

from __future__ import annotations

import hashlib
from urllib.parse import parse_qs, urlsplit

from servers.conda_server import Answer, CondaServer
from servers.http_server import Fault, Request


class QuetzServer(CondaServer):
    """``POST /api/channels/CHANNEL/upload/FILE?force=false&sha256=...``; channels are read below ``/get``."""

    read_path = "/get"

    def is_upload(self, method: str, path: str) -> bool:
        return method == "POST"

    def may_write(self, headers: dict[str, str]) -> bool:
        return headers.get("x-api-key") == self.key

    def upload(self, request: Request, body: bytes, fault: Fault) -> Answer:
        address = urlsplit(request.path)
        match address.path.split("/"):
            case ["", "api", "channels", channel, "upload", filename]:
                query = parse_qs(address.query)
                if query.get("sha256") != [hashlib.sha256(body).hexdigest()] or query.get("force") != ["false"]:
                    return 422, "the file does not match its hash"
                return self.keep(channel, filename, body, fault)
        return 404, "no such address"

    def remove(self, path: str) -> Answer:
        match path.split("/"):
            case ["", "api", "channels", channel, "packages", _, "versions", subdir, filename]:
                return self.discard(channel, subdir, filename)
        return 404, "no such address"
