"""A channel of prefix.dev, or of a server that speaks its protocol; uploaded through rattler-build."""

from __future__ import annotations

from wvforge_dagster.channels.server import Service
from wvforge_dagster.channels.upload import ATTESTATION


def prefix_service(url: str, channel: str, *, attestation: bool = False) -> Service:
    """
    Args:
        url: the server, such as ``https://prefix.dev``.
        channel: its name there.
        attestation: whether the engine is to make one of each upload, with the identity of the job that runs this.
    """
    arguments = {"channel": channel} | ({ATTESTATION: "generate"} if attestation else {})
    return Service("prefix", f"prefix:{channel}", url, f"{url}/{channel}", arguments)
