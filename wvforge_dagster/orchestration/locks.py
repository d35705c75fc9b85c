"""What processes hold of a forge: package variants, uploads, questions to channels, runs."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from wvforge_dagster.channels.lease import Lease, lease, wait_until_free
from wvforge_dagster.channels.lease import is_held as is_lease_held
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.orchestration.file_locks import exclusive, is_held
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk, partition_folder

_TURNS = ".wvforge/locks"
_turns: dict[tuple[Path, str], Lease] = {}
"""What this process holds among machines, by the forge's output folder and the name."""


@contextmanager
def variant_lock(
    forge: ForgeOnDisk, identity: VariantId, on_wait: Callable[[str], object] = lambda words: None
) -> Iterator[None]:
    """Hold the lock of a package variant: one build of it at a time. Waits for one that is under way elsewhere.

    Args:
        on_wait: called with the machine that is waited for, in words.
    """
    with exclusive(_path(forge, identity)), shared_turn(forge, lock_name(identity), on_wait):
        yield


@contextmanager
def shared_outputs(forge: ForgeOnDisk, identity: VariantId) -> Iterator[None]:
    """Hold this while a package variant is made that has an output in common with other partitions: they take turns.

    Taken after `variant_lock`, and never by two that wait for one another: all of them belong to one package.
    """
    if not forge.catalog.sharing(identity):
        yield
        return
    name = lock_name(VariantId(identity.package, "shared"))
    with exclusive(_path(forge, identity).with_name("shared")), shared_turn(forge, name):
        yield


@contextmanager
def upload_lock(forge: ForgeOnDisk, identity: VariantId) -> Iterator[None]:
    """Hold this while a package variant is uploaded: one upload of it at a time. It does not count as being built."""
    with exclusive(_path(forge, identity).with_suffix(".upload")):
        yield


def is_being_uploaded(forge: ForgeOnDisk, identity: VariantId) -> bool:
    """Whether some process holds `upload_lock`."""
    return is_held(_path(forge, identity).with_suffix(".upload"))


def wait_for_lock(forge: ForgeOnDisk, identity: VariantId) -> None:
    """Wait until nobody builds this package variant. Only ever called for what the caller's own one depends on."""
    path = _path(forge, identity)
    if path.exists():
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)
        finally:
            os.close(handle)
    if forge.mirror is not None:
        wait_until_free(forge.mirror.objects, f"{_TURNS}/{lock_name(identity)}")


def held_locks(forge: ForgeOnDisk, identities: Iterable[VariantId] | None = None) -> frozenset[VariantId]:
    """The package variants that are being built now, here or elsewhere; of these only, if some are given."""
    elsewhere = _held_elsewhere(forge)
    if identities is not None:
        here = frozenset(identity for identity in identities if is_held(_path(forge, identity)))
        return here | elsewhere.intersection(identities)
    names = {partition_folder(identity.partition): identity.partition for identity in forge.catalog.variants}
    return elsewhere | frozenset(
        VariantId(path.parent.relative_to(forge.output / "locks").as_posix(), names.get(path.stem, ""))
        for path in (forge.output / "locks").glob("**/*.lock")
        if is_held(path)
    )


def _held_elsewhere(forge: ForgeOnDisk) -> frozenset[VariantId]:
    if forge.mirror is None:
        return frozenset()
    listed = forge.mirror.objects.listing(_TURNS)
    held = {name for name, item in listed.items() if is_lease_held(item.size, item.age_s)}
    return frozenset(identity for identity in forge.catalog.variants if held and lock_name(identity) in held)


@contextmanager
def shared_turn(forge: ForgeOnDisk, name: str, on_wait: Callable[[str], object] = lambda words: None) -> Iterator[None]:
    """Hold a name among the machines that share a staging channel; nothing where a machine works alone.

    Raises:
        ForgeError: if the shared staging channel cannot be reached.
    """
    if forge.mirror is None:
        yield
        return
    with lease(forge.mirror.objects, f"{_TURNS}/{name}", on_wait) as held:
        _turns[forge.output, name] = held
        try:
            yield
        finally:
            del _turns[forge.output, name]


def refuse_if_lost(forge: ForgeOnDisk, identity: VariantId) -> None:
    """Before a build is staged: see that no other machine has taken it over, because this one could not be reached for long.

    Raises:
        ForgeError: if one has.
    """
    held = _turns.get((forge.output, lock_name(identity)))
    if held is not None and not held.is_mine():
        words = "another machine has taken this build over, because this one did not reach the staging channel for long"
        raise ForgeError(words, where=str(identity), remedy="nothing was staged here")


def lock_name(identity: VariantId) -> str:
    """The name of a package variant among machines."""
    return f"{identity.package.replace('/', '=')}@{partition_folder(identity.partition)}"


@contextmanager
def gpu_lock(forge: ForgeOnDisk) -> Iterator[None]:
    """Hold this while a GPU is used: GPU tests take turns, whoever started them."""
    with exclusive(forge.output / "locks" / "gpu"):
        yield


@contextmanager
def asking(forge: ForgeOnDisk, label: str) -> Iterator[None]:
    """Hold this while a channel is asked and its answer kept, so that an older answer never replaces a newer one."""
    name = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in label)
    with exclusive(forge.output / "locks" / "channels" / name):
        yield


@contextmanager
def run_lock(forge: ForgeOnDisk, run_id: str) -> Iterator[None]:
    """Shows, for as long as it is held, that the process of a Dagster run is alive; see `is_run_alive`."""
    path = _run_path(forge, run_id)
    with exclusive(path):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def is_run_alive(forge: ForgeOnDisk, run_id: str) -> bool:
    """Whether some process holds the lock of this run."""
    path = _run_path(forge, run_id)
    alive = path.exists() and is_held(path)
    if not alive:
        path.unlink(missing_ok=True)
    return alive


def _run_path(forge: ForgeOnDisk, run_id: str) -> Path:
    return forge.output / "locks" / "runs" / run_id


def _path(forge: ForgeOnDisk, identity: VariantId) -> Path:
    return forge.output / "locks" / identity.package / f"{partition_folder(identity.partition)}.lock"
