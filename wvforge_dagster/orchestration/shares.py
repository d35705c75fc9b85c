"""What of the machine a build or a test takes, across processes: a turn of its class, and cores that nobody else is told of.

Files in the forge's output folder stand for turns and cores; who holds the lock of one has it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from wvforge_dagster.cores import cores_of_machine
from wvforge_dagster.orchestration.file_locks import exclusive, is_held, try_exclusive
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk

_PAUSE = 0.1


@contextmanager
def share_of_machine(forge: ForgeOnDisk, package: str, on_wait: Callable[[str], object]) -> Iterator[None]:
    """Hold what a build or a test of this package takes, as long as it runs. Waits until that is free.

    Args:
        on_wait: called with what it waits for, in words, before it waits.
    """
    name = forge.class_of(package).name
    at_once = forge.forge.classes[name].at_once
    places = forge.output / "locks" / "shares"
    with ExitStack() as held:
        if at_once is not None:
            words = f"waits until fewer than {at_once} others of the class {name} are being built"
            held.enter_context(_some(places / "classes" / name, 1, at_once, lambda: on_wait(words)))
        cores, count = forge.build_limits(package).cores, cores_of_machine()
        words = f"waits until {cores} of {count} cores are free of other builds"
        held.enter_context(_some(places / "cores", cores, count, lambda: on_wait(words)))
        yield


@contextmanager
def _some(folder: Path, wanted: int, count: int, on_wait: Callable[[], object]) -> Iterator[None]:
    """Hold `wanted` of `count` things.

    One process at a time collects them, so that none waits for another's, and one that wants many gets its turn.
    """
    with ExitStack() as held:
        waits = is_held(folder / "turn")
        if waits:
            on_wait()
        with exclusive(folder / "turn"):
            free = [folder / str(number) for number in range(count)]
            while wanted > 0:
                for path in [*free]:
                    if wanted > 0 and (lock := try_exclusive(path)) is not None:
                        held.callback(os.close, lock)
                        free.remove(path)
                        wanted -= 1
                if wanted > 0:
                    if not waits:
                        on_wait()
                    waits = True
                    time.sleep(_PAUSE)
        yield
