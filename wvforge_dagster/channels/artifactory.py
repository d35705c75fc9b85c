"""A conda repository of an Artifactory server: uploaded to ``URL/REPOSITORY/SUBDIR/FILE``, read from
``URL/api/conda/REPOSITORY``.

The server itself overwrites a file for those who may delete it: that it is not there is asked just before.
"""

from __future__ import annotations

from wvforge_dagster.channels.server import Service


def artifactory_service(url: str, repository: str) -> Service:
    """
    Args:
        url: the server, such as ``https://example.jfrog.io/artifactory``.
        repository: its key there.
    """
    read = f"{url}/api/conda/{repository}"
    return Service("artifactory", f"artifactory:{repository}", url, read, {"channel": repository})
