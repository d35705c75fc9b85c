"""Artifactory's protocol for uploads: a file is put where it belongs, over what is there."""

from __future__ import annotations

import hashlib

from servers.conda_server import Answer, CondaServer, other_bytes
from servers.http_server import Fault, Request


class ArtifactoryServer(CondaServer):
    """``PUT /artifactory/REPOSITORY/SUBDIR/FILE``; channels are read below ``/artifactory/api/conda``."""

    read_path = "/artifactory/api/conda"

    @property
    def url(self) -> str:
        return f"{self.root}/artifactory"

    def is_upload(self, method: str, path: str) -> bool:
        return method == "PUT"

    def is_read(self, method: str, path: str) -> bool:
        return path.startswith(self.read_path)

    def may_write(self, headers: dict[str, str]) -> bool:
        return headers.get("authorization") == f"Bearer {self.key}"

    def upload(self, request: Request, body: bytes, fault: Fault) -> Answer:
        match request.path.split("/"):
            case ["", "artifactory", channel, subdir, filename]:
                if request.method == "GET":
                    there = (self.folder / channel / subdir / filename).is_file()
                    return (200, "the package") if there else (404, "not found")
                if not (self.folder / channel).is_dir():
                    return 404, f"repository '{channel}' not found"
                if request.headers.get("x-checksum-sha256") != hashlib.sha256(body).hexdigest():
                    return 409, "the checksum does not match"
                self.store(channel, filename, subdir, other_bytes(body) if fault.spoil else body)
                return 201, "created"
        return 404, "no such address"

    def remove(self, path: str) -> Answer:
        match path.split("/"):
            case ["", "artifactory", repository, subdir, filename]:
                return self.discard(repository, subdir, filename)
        return 404, "no such address"
