"""A channel of anaconda.org, or of a server that speaks its protocol: uploaded through rattler-build to the owner's packages
under a label; read without credentials.
"""

from __future__ import annotations

from wvforge_dagster.channels.server import Service, as_nothing


def anaconda_service(url: str, read_url: str, owner: str, channel: str = "main") -> Service:
    """
    Args:
        url: the server's interface, such as ``https://api.anaconda.org``.
        read_url: where it serves channels, such as ``https://conda.anaconda.org``.
        channel: the label that the packages get there.
    """
    read, label = f"{read_url}/{owner}", f"anaconda:{owner}"
    if channel != "main":
        read, label = f"{read}/label/{channel}", f"{label}/{channel}"
    return Service("anaconda", label, url, read, {"owner": owner, "channel": channel}, as_nothing)
