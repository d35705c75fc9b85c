"""What lies beside a package in a channel, under the package's name with an ending.

Notes say what was found out of a package later, an SBOM what it was built in, a statement what it was made from. No reader of
channels looks at them, and no index lists them; whoever removes a package removes `names_beside` it as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from wvforge_dagster.channels.protocol import ChannelEntry, Documents
from wvforge_dagster.core.package_file import PackageFile

NOTES = ".wvforge.json"
SBOM = ".cdx.json"
STATEMENT = ".intoto.json"
PAGE = "index.html"
"""A page for people, in a channel's top folder: below the platforms, where packages lie, nothing knows of it."""

PAGE_MARK = b'<meta name="generator" content="wvforge '
"""Is in every page of ours."""

ENDINGS = (NOTES, SBOM, STATEMENT)


def names_beside(filename: str) -> tuple[str, ...]:
    """The names of all files that may lie beside a package, whether they do or not."""
    return tuple(filename + ending for ending in ENDINGS)


def package_of(name: str) -> str | None:
    """The filename of the package that a file of this name lies beside; None for other files."""
    return next((name.removesuffix(ending) for ending in ENDINGS if name.endswith(ending)), None)


def contents_beside(packages: Sequence[PackageFile], documents: Documents) -> dict[str, bytes]:
    """The documents of these packages by their place in a channel: ``noarch/NAME.conda.cdx.json``."""
    return {
        f"{package.subdir}/{package.filename}{ending}": content
        for package in packages
        for ending, content in documents.get(package.sha256, {}).items()
    }


def read_notes(content: bytes | None, entry: ChannelEntry) -> tuple[dict[str, Any], ...]:
    """The notes on this very file (by its sha256); none if they cannot be read: losing them costs a build, not truth."""
    try:
        found = json.loads(content or b"")
        notes = found["notes"] if found["sha256"] == entry.sha256 else []
        return tuple(note for note in notes if isinstance(note, dict))
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()


def add_notes(content: bytes | None, entry: ChannelEntry, notes: Sequence[Mapping[str, Any]]) -> bytes | None:
    """The content with these notes as well, the newest last, also one that is there already; the same where nothing changes."""
    there = read_notes(content, entry)
    wanted = [*(note for note in there if note not in notes), *notes]
    if wanted == list(there):
        return content
    return json.dumps({"sha256": entry.sha256, "notes": wanted}).encode()


def page_instead_of(there: bytes | None, text: str) -> bytes | None:
    """What the page is to be; the same where it is somebody else's."""
    return there if there is not None and PAGE_MARK not in there else text.encode()
