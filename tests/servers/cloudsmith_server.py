"""Cloudsmith's protocol for uploads: ask for a place, send the bytes there, make a package of them."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

from servers.conda_server import Answer, CondaServer, bytes_of, parts_of
from servers.http_server import Fault, Request


class CloudsmithServer(CondaServer):
    """The interface lies below ``/v1``, the channels below ``/conda``. Faults are met where the package is made."""

    read_path = "/conda"

    def __init__(self, folder: Path, *, key: str, channels: tuple[str, ...] = ("owner/forge",)) -> None:
        self._asked: dict[str, tuple[str, str]] = {}
        self._bytes: dict[str, bytes] = {}
        super().__init__(folder, key=key, channels=channels)

    @property
    def url(self) -> str:
        return f"{self.root}/v1"

    @property
    def read_url(self) -> str:
        return f"{self.root}/conda"

    def is_upload(self, method: str, path: str) -> bool:
        return path.startswith("/v1/packages/")

    def is_read(self, method: str, path: str) -> bool:
        return path.startswith("/conda/")

    def may_write(self, headers: dict[str, str]) -> bool:
        # The bytes go to another place, whose address is the permission.
        return headers.get("x-api-key", self.key) == self.key

    def may_read(self, headers: dict[str, str]) -> bool:
        shown = base64.b64encode(f"token:{self.key}".encode()).decode()
        return headers.get("authorization") == f"Basic {shown}"

    def upload(self, request: Request, body: bytes, fault: Fault) -> Answer:
        match request.path.split("/"):
            case ["", "v1", "files", owner, repository, ""]:
                asked = json.loads(body)
                if not (self.folder / owner / repository).is_dir():
                    return 404, f"repository '{repository}' not found"
                name = f"file-{len(self._asked)}"
                self._asked[name] = (asked["filename"], asked["md5_checksum"])
                address = f"{self.root}/bytes"
                return 201, json.dumps({"identifier": name, "upload_url": address, "upload_fields": {"key": name}})
            case ["", "bytes"]:
                parts = parts_of(request, body)
                self._bytes[bytes_of(parts["key"]).decode()] = bytes_of(parts["file"])
                return 204, ""
            case ["", "v1", "packages", owner, repository, "upload", "conda", ""]:
                name = json.loads(body)["package_file"]
                filename, wanted = self._asked[name]
                if hashlib.md5(self._bytes[name]).hexdigest() != wanted:
                    return 422, "the file does not match its hash"
                status, words = self.keep(f"{owner}/{repository}", filename, self._bytes[name], fault)
                return status, json.dumps({"slug_perm": "x", "slug": "y"}) if status == 201 else words
        return 404, "no such address"
