"""A channel of prefix.dev, or of a server that speaks its protocol."""

from __future__ import annotations

from collections.abc import Sequence

from wvforge_dagster.channels.credentials import Credentials
from wvforge_dagster.channels.patience import Patience
from wvforge_dagster.channels.server import ServerChannel, Service
from wvforge_dagster.channels.upload import ATTESTATION


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
        attestation: bool = False,
    ) -> None:
        """
        Args:
            url: the server, such as ``https://prefix.dev``.
            channel: its name there.
            subdirs: the platforms whose packages `entries` tells.
            attestation: whether the engine is to make one of each upload, with the identity of the job that runs this.
        """
        server = url.rstrip("/")
        arguments = {"channel": channel} | ({ATTESTATION: "generate"} if attestation else {})
        service = Service("prefix", f"prefix:{channel}", server, f"{server}/{channel}", arguments)
        super().__init__(service, subdirs=subdirs, credentials=credentials, patience=patience)
