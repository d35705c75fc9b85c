"""A channel of prefix.dev, or of a server that speaks its protocol."""

from __future__ import annotations

from collections.abc import Sequence

from wvforge_dagster.channels.credentials import Credentials
from wvforge_dagster.channels.patience import Patience
from wvforge_dagster.channels.server import ServerChannel, Service


class PrefixChannel(ServerChannel):
    """Uploaded through rattler-build."""

    def __init__(
        self,
        *,
        url: str,
        channel: str,
        subdirs: Sequence[str],
        credentials: Credentials,
        patience: Patience | None = None,
    ) -> None:
        """
        Args:
            url: the server, such as ``https://prefix.dev``.
            channel: its name there.
            subdirs: the platforms whose packages `entries` tells.
        """
        server = url.rstrip("/")
        service = Service("prefix", f"prefix:{channel}", server, f"{server}/{channel}", {"channel": channel})
        super().__init__(service, subdirs=subdirs, credentials=credentials, patience=patience)
