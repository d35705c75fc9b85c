"""Building without a network: the engine fetches sources and environments in the process and thread that starts the script.

So that thread gives up the right to open sockets, by a filter of the kernel (seccomp) which what it starts inherits, at the
moment between the two: after the last environment is installed. Other threads of the engine keep theirs, and the script cannot
reach into them.
"""

from __future__ import annotations

import ctypes
import os
import struct
import threading
from typing import Any

from wvforge_dagster.build.events import EventStream
from wvforge_dagster.build.reasons import SCRIPT_SPAN, EngineLog

LAST_BEFORE_SCRIPT = "Successfully updated the host environment"
"""What the engine (0.73) says last before it starts the script, with an environment or without."""

_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _SECCOMP_MODE_FILTER = 4, 22, 38, 2
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_UNREACHABLE, _NOT_PERMITTED, _NO_SUCH_CALL = 101, 1, 38
_AF_UNIX, _AF_NETLINK = 1, 16
_IO_URING_SETUP, _PIDFD_GETFD = 425, 438
_X32 = 0x40000000

_MACHINES = {
    # The kernel's name of the machine; its socket, ptrace, process_vm_readv, process_vm_writev.
    "x86_64": (0xC000003E, 41, 101, 310, 311),
    "aarch64": (0xC00000B7, 198, 117, 270, 271),
}


class OfflineLog(EngineLog):
    """Cuts the network when the engine is about to start the script."""

    def __init__(self, events: EventStream) -> None:
        super().__init__(events)
        self._thread = threading.get_native_id()
        self._is_cut = False

    def on_log(self, event: Any) -> None:
        if LAST_BEFORE_SCRIPT in str(event.message) and not self._is_cut:
            self._is_cut = threading.get_native_id() == self._thread and cut_network()
        if event.span == SCRIPT_SPAN and not self._is_cut:
            # An engine that works another way, or a machine without the filter: better no package than a wrong promise.
            self._events.send("failed", failure_class="other", reason=CANNOT, details="")
            os._exit(0)
        super().on_log(event)


CANNOT = "network: false: the network cannot be cut from the script with this engine on this machine; set network: true"


def cut_network() -> bool:
    """Take from this thread, and from what it starts, the network and the ways into processes that have it.

    Returns whether the kernel did it.
    """
    machine = _MACHINES.get(os.uname().machine)
    if machine is None:
        return False
    program = _filter(*machine)
    buffer = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    kernel = ctypes.CDLL(None, use_errno=True)
    description = Program(len(program) // 8, ctypes.addressof(buffer))
    return bool(
        kernel.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0
        and kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
        and kernel.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(description), 0, 0) == 0
    )


def _filter(architecture: int, socket: int, *reaching_in: int) -> bytes:
    """The program that the kernel asks about each system call, in its own machine language (see seccomp(2))."""
    refuse = [(_IO_URING_SETUP, _NO_SUCH_CALL), *((number, _NOT_PERMITTED) for number in (*reaching_in, _PIDFD_GETFD))]
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        # A program of another machine (32 bits) numbers its calls otherwise.
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _ERROR | _NO_SUCH_CALL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if architecture == _MACHINES["x86_64"][0]:
        lines += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _ERROR | _NO_SUCH_CALL)]
    for number, error in refuse:
        lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERROR | error)]
    lines += [
        (_EQUAL, 1, 0, socket),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_EQUAL, 2, 0, _AF_UNIX),
        (_EQUAL, 1, 0, _AF_NETLINK),
        (_RETURN, 0, 0, _ERROR | _UNREACHABLE),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)
