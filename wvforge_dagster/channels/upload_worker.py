"""A process that makes one attempt to upload one package, and nothing else: ``python -m`` this module.

rattler-build's uploads hold the GIL and have no time limit, so they get a process that can be ended. It is the only one
that is given the key: through standard input, where neither the process list nor its environment shows it.

Standard input: a JSON object with ``file``, ``url``, ``channel``, ``api_key`` and ``auth_file`` (or null), ``limit_s``.
Standard output: a JSON object with ``error``, the engine's words or null.
"""

from __future__ import annotations

import ctypes
import json
import math
import signal
import sys


def main() -> None:
    # The engine does not let Python's own handlers run: the system ends this process, on Ctrl-C, past its
    # time limit, and when its parent is gone.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    request = json.load(sys.stdin)
    signal.alarm(math.ceil(request["limit_s"]) + 5)

    from rattler_build.upload import upload_package_to_prefix

    error: str | None = None
    try:
        upload_package_to_prefix(
            [request["file"]],
            request["url"],
            request["channel"],
            api_key=request["api_key"],
            auth_file=request["auth_file"],
        )
    except Exception as fault:  # the engine has no common class of its errors
        error = str(fault) or type(fault).__name__
    json.dump({"error": error}, sys.stdout)


if __name__ == "__main__":
    main()
