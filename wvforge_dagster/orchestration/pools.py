"""Dagster's pools: what may run beside what. Their limits are in the storage, and on the page *Concurrency* of the UI."""

BUILD_POOL = "build"
HEAVY_POOL = "heavy"
UPLOAD_POOL = "upload"
GPU_POOL = "gpu"
