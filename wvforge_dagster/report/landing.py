"""The landing page of a channel: what is in it and how it is installed, in one file that lies in the channel itself."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from wvforge_dagster.core.install import install_lines
from wvforge_dagster.report.site import static
from wvforge_dagster.report.templating import render

CHANNEL = "CHANNEL"
"""What stands for the channel's address where forge.yaml does not give it."""

SPEC = "SPEC"
_SCRIPT = (
    'if (location.protocol.startsWith("http")) for (const place of document.querySelectorAll(".channel")) '
    'place.textContent = new URL(".", location.href).href.replace(/\\/$/, "");'
)
"""A page that is read from a web server knows the channel's address."""


@dataclass(frozen=True)
class ListedVariant:
    """The newest build of a package in one variant.

    Attributes:
        variant: in words; empty if the package has one only.
        spec: what a solver is asked for to get it.
    """

    variant: str
    subdir: str
    filename: str
    size: int
    built: datetime | None
    spec: str


@dataclass(frozen=True)
class ListedPackage:
    """A package in its newest version."""

    name: str
    version: str
    summary: str
    license: str
    variants: tuple[ListedVariant, ...]


@dataclass(frozen=True)
class Landing:
    """What a channel's page shows.

    Attributes:
        title: what the channel is called.
        address: where people read it; None if that is not known.
        upstream: what is solved against besides, in order of priority.
        files: how many package files the channel lists.
        newest: when the newest of them was built.
    """

    title: str
    address: str | None
    upstream: Sequence[str]
    packages: tuple[ListedPackage, ...]
    files: int
    newest: datetime | None
    wvforge: str


def landing_page(landing: Landing) -> str:
    """The page. The same channel makes the same page."""
    style, script = static("report.css"), _SCRIPT if landing.address is None else ""
    sources = f"style-src '{_hash(style)}'" + (f"; script-src '{_hash(script)}'" if script else "")
    channel = landing.address or CHANNEL
    lines = install_lines("my-env", [SPEC], [channel, *landing.upstream])
    return render("landing.html", landing=landing, style=style, script=script, sources=sources, lines=lines, base="")


def _hash(text: str) -> str:
    """How a Content-Security-Policy names what it allows in a page."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
