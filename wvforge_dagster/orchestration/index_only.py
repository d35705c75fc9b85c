"""Channels that hold nothing but an index: enough to solve against, and nothing can be installed from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Entries = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Entries of a repodata.json, by subdir and filename."""


def write_index(folder: Path, entries: Entries) -> str:
    """Make the channel, with ``noarch`` in any case, and return its address."""
    for subdir, packages in {"noarch": {}, **entries}.items():
        index = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": packages}
        (folder / subdir).mkdir(parents=True)
        (folder / subdir / "repodata.json").write_text(json.dumps(index), encoding="utf-8")
    return folder.as_uri()
