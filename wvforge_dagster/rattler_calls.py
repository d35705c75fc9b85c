"""Calling py-rattler from plain code: its functions are asynchronous, ours are not."""

from __future__ import annotations

import asyncio
import atexit
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")

_SETTLING_S = 0.1
_last_use = 0.0


def wait_for(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """The result of a coroutine; it gets a thread of its own where an event loop already runs in this one."""
    global _last_use  # noqa: PLW0603
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    else:
        with ThreadPoolExecutor(max_workers=1) as pool:
            return pool.submit(asyncio.run, coroutine).result()
    finally:
        _last_use = time.monotonic()


@atexit.register
def _let_rattler_settle() -> None:
    """Keep the interpreter alive until py-rattler's threads have let go of it.

    They do so a moment after they gave their result. A process that ended in that moment died of SIGSEGV or SIGABRT in
    a quarter of the runs (py-rattler 0.28, ``PyGILState_Release`` while finalizing), and in none after 5 ms.
    """
    time.sleep(max(0.0, _last_use + _SETTLING_S - time.monotonic()) if _last_use else 0.0)


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or its class if it says nothing."""
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
