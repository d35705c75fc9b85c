"""A channel of a quetz server: uploaded to ``URL/api/channels/CHANNEL/upload``, read from ``URL/get/CHANNEL``."""

from __future__ import annotations

from wvforge_dagster.channels.server import Service, as_api_key


def quetz_service(url: str, channel: str) -> Service:
    """
    Args:
        url: the server.
        channel: its name there.
    """
    return Service("quetz", f"quetz:{channel}", url, f"{url}/get/{channel}", {"channel": channel}, as_api_key)
