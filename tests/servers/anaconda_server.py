"""anaconda.org's protocol for uploads: package, release, stage, the file's bytes elsewhere, commit."""

from __future__ import annotations

import json
from pathlib import Path

from servers.conda_server import Answer, CondaServer, bytes_of, parts_of
from servers.http_server import Fault, Request


class AnacondaServer(CondaServer):
    """The interface lies below ``/api``, the channels of owners below ``/conda``.

    An upload's faults are met where it is staged; those of an end or of other bytes, where it is committed.

    Attributes:
        create_fault: met where a package is created, every time.
    """

    read_path = "/conda"

    def __init__(self, folder: Path, *, key: str, channels: tuple[str, ...] = ("forge",)) -> None:
        self._known: set[str] = set()
        self._staged: dict[str, tuple[str, str]] = {}
        self._bytes: dict[str, bytes] = {}
        self._at_commit = Fault()
        self.create_fault: Fault | None = None
        super().__init__(folder, key=key, channels=channels)

    @property
    def url(self) -> str:
        return f"{self.root}/api"

    @property
    def read_url(self) -> str:
        return f"{self.root}/conda"

    def is_upload(self, method: str, path: str) -> bool:
        return path.startswith("/api/stage/")

    def fault_for(self, method: str, path: str) -> Fault:
        if path.startswith("/api/commit/"):
            fault, self._at_commit = self._at_commit, Fault()
            return fault
        fault = super().fault_for(method, path)
        if fault.stored or fault.spoil or fault.end in ("hang", "cut"):
            self._at_commit = fault
            return Fault()
        return fault

    def is_read(self, method: str, path: str) -> bool:
        return path.startswith("/conda/")

    def may_write(self, headers: dict[str, str]) -> bool:
        # The bytes go to another place, whose address is the permission.
        return headers.get("authorization", f"token {self.key}") == f"token {self.key}"

    def upload(self, request: Request, body: bytes, fault: Fault) -> Answer:
        match request.path.split("/"):
            case ["", "api", "package" | "release", owner, *rest]:
                place = "/".join(rest)
                if not (self.folder / owner).is_dir():
                    return 404, f"user '{owner}' not found"
                if request.method == "GET":
                    return (200, "{}") if place in self._known else (404, '{"error": "not found"}')
                if self.create_fault is not None:
                    return self.create_fault.status or 500, self.create_fault.words
                self._known.add(place)
                return 201, "{}"
            case ["", "api", "stage", owner, _, _, _, filename]:
                if list((self.folder / owner).glob(f"*/{filename}")):
                    return 409, "distribution already exists"
                name = f"dist-{len(self._staged)}"
                self._staged[name] = (owner, filename)
                form = {"key": name}
                return 200, json.dumps({"post_url": f"{self.root}/bytes", "form_data": form, "dist_id": name})
            case ["", "bytes"]:
                parts = parts_of(request, body)
                self._bytes[bytes_of(parts["key"]).decode()] = bytes_of(parts["file"])
                return 201, ""
            case ["", "api", "commit", *_]:
                name = json.loads(body)["dist_id"]
                owner, filename = self._staged[name]
                return self.keep(owner, filename, self._bytes[name], fault)
        return 404, "no such address"

    def remove(self, path: str) -> Answer:
        match path.split("/"):
            case ["", "api", "dist", owner, _, _, subdir, filename]:
                return self.discard(owner, subdir, filename)
        return 404, "no such address"
