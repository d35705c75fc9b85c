"""A channel of prefix.dev, or of a server that speaks its protocol; uploaded through rattler-build."""

from __future__ import annotations

from wvforge_dagster.channels.server import Service


def prefix_service(url: str, channel: str) -> Service:
    """
    Args:
        url: the server, such as ``https://prefix.dev``.
        channel: its name there.
    """
    return Service("prefix", f"prefix:{channel}", url, f"{url}/{channel}", {"channel": channel})
