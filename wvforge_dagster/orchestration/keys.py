"""Names of assets: a package's is its name, its upload's that below ``upload``; how names of ops begin; the tag of a build."""

from __future__ import annotations

import dagster as dg

BUILD = "build"
UPLOAD = "upload"

BUILD_TAG = "wvforge/build"
"""Has the same value in all runs of one call of ``wvforge build``."""


def package_key(name: str) -> dg.AssetKey:
    return dg.AssetKey([name])


def upload_key(name: str) -> dg.AssetKey:
    return dg.AssetKey([UPLOAD, name])
