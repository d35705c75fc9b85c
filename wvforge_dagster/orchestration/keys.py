"""Names of assets: a package's is its name, its upload's is that below ``upload``; and how the names of their ops begin."""

from __future__ import annotations

import dagster as dg

BUILD = "build"
UPLOAD = "upload"
GPU = "gpu"


def package_key(name: str) -> dg.AssetKey:
    return dg.AssetKey([name])


def upload_key(name: str) -> dg.AssetKey:
    return dg.AssetKey([UPLOAD, name])
