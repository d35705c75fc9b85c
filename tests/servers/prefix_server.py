"""prefix.dev's protocol for uploads."""

from __future__ import annotations

import hashlib

from servers.conda_server import Answer, CondaServer, bytes_of, parts_of
from servers.http_server import Fault, Request

__all__ = ["Fault", "PrefixServer"]


class PrefixServer(CondaServer):
    """``POST /api/v1/upload/CHANNEL``, a multipart form with the file, its name and its hash."""

    def is_upload(self, method: str, path: str) -> bool:
        return method == "POST"

    def may_write(self, headers: dict[str, str]) -> bool:
        return headers.get("authorization") == f"Bearer {self.key}"

    def upload(self, request: Request, body: bytes, fault: Fault) -> Answer:
        parts = request.path.split("?", maxsplit=1)[0].split("/")
        if parts[:4] != ["", "api", "v1", "upload"] or len(parts) != 5:
            return 404, "no such address"
        part = parts_of(request, body)["file"]
        package = bytes_of(part)
        filename, wanted = part["x-file-name"], part["x-file-sha256"]
        if hashlib.sha256(package).hexdigest() != wanted or len(package) != int(part["content-length"]):
            return 422, "the file does not match its hash"
        return self.keep(parts[4], filename, package, fault)

    def remove(self, path: str) -> Answer:
        match path.split("/"):
            case ["", "api", "v1", "delete", channel, subdir, filename]:
                return self.discard(channel, subdir, filename)
        return 404, "no such address"
