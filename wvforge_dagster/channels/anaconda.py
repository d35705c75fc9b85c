"""A channel of anaconda.org, or of a server that speaks its protocol."""

from __future__ import annotations

from collections.abc import Sequence

from wvforge_dagster.channels.credentials import Credentials
from wvforge_dagster.channels.patience import Patience
from wvforge_dagster.channels.server import ServerChannel, Service, as_nothing


class AnacondaChannel(ServerChannel):
    """Uploaded through rattler-build to the owner's packages under a label; read without credentials."""

    def __init__(
        self,
        *,
        url: str,
        read_url: str,
        owner: str,
        channel: str = "main",
        subdirs: Sequence[str],
        credentials: Credentials,
        patience: Patience | None = None,
    ) -> None:
        """
        Args:
            url: the server's interface, such as ``https://api.anaconda.org``.
            read_url: where it serves channels, such as ``https://conda.anaconda.org``.
            channel: the label that the packages get there.
            subdirs: the platforms whose packages `entries` tells.
        """
        read = f"{read_url.rstrip('/')}/{owner}"
        label = f"anaconda:{owner}"
        if channel != "main":
            read, label = f"{read}/label/{channel}", f"{label}/{channel}"
        arguments = {"owner": owner, "channel": channel}
        service = Service("anaconda", label, url.rstrip("/"), read, arguments, as_nothing)
        super().__init__(service, subdirs=subdirs, credentials=credentials, patience=patience)
