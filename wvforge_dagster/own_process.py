"""What a process asks the kernel for itself."""

from __future__ import annotations

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4


def hide_from_builds() -> None:
    """Close this process's memory and environment to other processes of the same user, as far as the kernel does it.

    A build script runs as the user, and could else read the publishing key in ``/proc/PID/environ`` of what started it. Root
    reads everything.
    """
    _prctl(_PR_SET_DUMPABLE, 0)


def end_with_parent() -> None:
    """Have the kernel kill this process when the one that forked it ends, however that comes about."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value)
