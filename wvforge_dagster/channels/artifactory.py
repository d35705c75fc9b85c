"""A conda repository of an Artifactory server."""

from __future__ import annotations

from collections.abc import Sequence

from wvforge_dagster.channels.credentials import Credentials
from wvforge_dagster.channels.patience import Patience
from wvforge_dagster.channels.server import ServerChannel, Service


class ArtifactoryChannel(ServerChannel):
    """Uploaded to ``URL/REPOSITORY/SUBDIR/FILE``, read from ``URL/api/conda/REPOSITORY``.

    The server itself overwrites a file for those who may delete it: that it is not there is asked just before.
    """

    def __init__(
        self,
        *,
        url: str,
        repository: str,
        subdirs: Sequence[str],
        credentials: Credentials,
        patience: Patience | None = None,
    ) -> None:
        """
        Args:
            url: the server, such as ``https://example.jfrog.io/artifactory``.
            repository: its key there.
            subdirs: the platforms whose packages `entries` tells.
        """
        server = url.rstrip("/")
        read = f"{server}/api/conda/{repository}"
        service = Service("artifactory", f"artifactory:{repository}", server, read, {"channel": repository})
        super().__init__(service, subdirs=subdirs, credentials=credentials, patience=patience)
