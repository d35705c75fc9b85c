"""A repository of Cloudsmith: uploaded through rattler-build; the key is shown as the password of the user ``token`` when
reading.
"""

from __future__ import annotations

from wvforge_dagster.channels.server import Service, as_user_token


def cloudsmith_service(url: str, read_url: str, owner: str, repository: str) -> Service:
    """
    Args:
        url: the server's interface, such as ``https://api.cloudsmith.io/v1``.
        read_url: where it serves channels, such as ``https://conda.cloudsmith.io``.
    """
    name = f"{owner}/{repository}"
    arguments = {"owner": owner, "repository": repository}
    return Service("cloudsmith", f"cloudsmith:{name}", url, f"{read_url}/{name}", arguments, as_user_token)
