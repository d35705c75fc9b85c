"""One build at a time of one package variant, across processes. The kernel drops a lock when its holder dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk, partition_folder


@contextmanager
def variant_lock(forge: ForgeOnDisk, identity: VariantId) -> Iterator[None]:
    """Hold the lock of a package variant; waits for a build of it that is under way elsewhere."""
    path = _path(forge, identity)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def wait_for_lock(forge: ForgeOnDisk, identity: VariantId) -> None:
    """Wait until nobody builds this package variant. Only ever called for what the caller's own one depends on."""
    path = _path(forge, identity)
    if path.exists():
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)
        finally:
            os.close(handle)


def held_locks(forge: ForgeOnDisk) -> frozenset[VariantId]:
    """The package variants that are being built now, here or elsewhere."""
    held = set()
    names = {partition_folder(identity.partition): identity.partition for identity in forge.catalog.variants}
    for path in (forge.output / "locks").glob("*/*.lock"):
        identity = VariantId(path.parent.name, names.get(path.stem, ""))
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            held.add(identity)
        finally:
            os.close(handle)
    return frozenset(held)


def _path(forge: ForgeOnDisk, identity: VariantId) -> Path:
    return forge.output / "locks" / identity.package / f"{partition_folder(identity.partition)}.lock"
