"""A repository of Cloudsmith."""

from __future__ import annotations

from collections.abc import Sequence

from wvforge_dagster.channels.credentials import Credentials
from wvforge_dagster.channels.patience import Patience
from wvforge_dagster.channels.server import ServerChannel, Service, as_user_token


class CloudsmithChannel(ServerChannel):
    """Uploaded through rattler-build; the key is shown as the password of the user ``token`` when reading."""

    def __init__(
        self,
        *,
        url: str,
        read_url: str,
        owner: str,
        repository: str,
        subdirs: Sequence[str],
        credentials: Credentials,
        patience: Patience | None = None,
    ) -> None:
        """
        Args:
            url: the server's interface, such as ``https://api.cloudsmith.io/v1``.
            read_url: where it serves channels, such as ``https://conda.cloudsmith.io``.
            subdirs: the platforms whose packages `entries` tells.
        """
        name = f"{owner}/{repository}"
        service = Service(
            "cloudsmith",
            f"cloudsmith:{name}",
            url.rstrip("/"),
            f"{read_url.rstrip('/')}/{name}",
            {"owner": owner, "repository": repository},
            as_user_token,
        )
        super().__init__(service, subdirs=subdirs, credentials=credentials, patience=patience)
