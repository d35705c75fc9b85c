"""A channel of a quetz server."""

from __future__ import annotations

from collections.abc import Sequence

from wvforge_dagster.channels.credentials import Credentials
from wvforge_dagster.channels.patience import Patience
from wvforge_dagster.channels.server import ServerChannel, Service, as_api_key


class QuetzChannel(ServerChannel):
    """Uploaded to ``URL/api/channels/CHANNEL/upload``, read from ``URL/get/CHANNEL``."""

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
            url: the server.
            channel: its name there.
            subdirs: the platforms whose packages `entries` tells.
        """
        server = url.rstrip("/")
        service = Service(
            "quetz", f"quetz:{channel}", server, f"{server}/get/{channel}", {"channel": channel}, as_api_key
        )
        super().__init__(service, subdirs=subdirs, credentials=credentials, patience=patience)
