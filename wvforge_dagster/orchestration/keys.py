"""Names of assets: a package's is its name, its upload's is that below ``upload``; and how the names of their ops begin.

The platform of a further one is a part before the name.
"""

from __future__ import annotations

import dagster as dg

BUILD = "build"
UPLOAD = "upload"
GPU = "gpu"


def package_key(name: str) -> dg.AssetKey:
    return dg.AssetKey(name.split("/"))


def upload_key(name: str) -> dg.AssetKey:
    return dg.AssetKey([UPLOAD, *name.split("/")])


def package_of(key: dg.AssetKey) -> str:
    """The name of the package that an asset, or its upload, is of."""
    return "/".join(key.path[1:] if len(key.path) > 1 and key.path[0] == UPLOAD else key.path)
