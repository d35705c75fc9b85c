"""Locks across the processes of a machine. The kernel drops a lock when its holder dies."""

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
    """Hold the lock of a package variant: one build of it at a time. Waits for one that is under way elsewhere."""
    with _exclusive(_path(forge, identity)):
        yield


@contextmanager
def upload_lock(forge: ForgeOnDisk, identity: VariantId) -> Iterator[None]:
    """Hold this while a package variant is uploaded: one upload of it at a time. It does not count as being built."""
    with _exclusive(_path(forge, identity).with_suffix(".upload")):
        yield


def is_being_uploaded(forge: ForgeOnDisk, identity: VariantId) -> bool:
    """Whether some process holds `upload_lock`."""
    return _is_held(_path(forge, identity).with_suffix(".upload"))


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
    names = {partition_folder(identity.partition): identity.partition for identity in forge.catalog.variants}
    return frozenset(
        VariantId(path.parent.name, names.get(path.stem, ""))
        for path in (forge.output / "locks").glob("*/*.lock")
        if _is_held(path)
    )


@contextmanager
def whole_machine(forge: ForgeOnDisk) -> Iterator[None]:
    """Hold this while a build runs that takes the whole machine: such builds take turns, whoever started them."""
    with _exclusive(forge.output / "locks" / "heavy"):
        yield


@contextmanager
def asking(forge: ForgeOnDisk, label: str) -> Iterator[None]:
    """Hold this while a channel is asked and its answer kept, so that an older answer never replaces a newer one."""
    name = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in label)
    with _exclusive(forge.output / "locks" / "channels" / name):
        yield


@contextmanager
def run_lock(forge: ForgeOnDisk, run_id: str) -> Iterator[None]:
    """Shows, for as long as it is held, that the process of a Dagster run is alive; see `is_run_alive`."""
    path = _run_path(forge, run_id)
    with _exclusive(path):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def is_run_alive(forge: ForgeOnDisk, run_id: str) -> bool:
    """Whether some process holds the lock of this run."""
    path = _run_path(forge, run_id)
    alive = path.exists() and _is_held(path)
    if not alive:
        path.unlink(missing_ok=True)
    return alive


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _is_held(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(handle)


def _run_path(forge: ForgeOnDisk, run_id: str) -> Path:
    return forge.output / "locks" / "runs" / run_id


def _path(forge: ForgeOnDisk, identity: VariantId) -> Path:
    return forge.output / "locks" / identity.package / f"{partition_folder(identity.partition)}.lock"
