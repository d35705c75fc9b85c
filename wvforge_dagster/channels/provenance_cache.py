"""Provenance by the sha256 of the package it came in: content does not change, so what is kept stays true."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

Provenance = dict[str, Any] | None


class ProvenanceCache:
    """One small file per package under ``folder/provenance``; it may be deleted at any time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "provenance"

    def get(self, sha256: str, read: Callable[[], Provenance]) -> Provenance:
        """What is kept for `sha256`, or what `read` gives, which is kept then."""
        path = self._folder / sha256[:2] / f"{sha256}.json"
        try:
            kept = json.loads(path.read_bytes())
            if isinstance(kept, dict) and isinstance(kept["provenance"], dict | None):
                return kept["provenance"]
        except (OSError, ValueError, KeyError):
            pass  # not there, or cut off by a crash: read it again
        provenance = read()
        if sha256:
            self._keep(path, provenance)
        return provenance

    def _keep(self, path: Path, provenance: Provenance) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump({"provenance": provenance}, stream)
            Path(temporary).replace(path)
        except OSError:
            pass  # a cache that cannot be written costs time, not truth
