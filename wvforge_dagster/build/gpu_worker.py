"""Child process: installs an environment and runs GPU tests in it. ``python -m wvforge_dagster.build.gpu_worker REQUEST``.

The request names ``specs``, ``channels``, ``platform``, ``prefix``, and what `gpu_tests` asks for. Events: ``unsolvable`` with
the solver's words, or ``gpu`` and then for each test, in order, ``tested``.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import rattler

from wvforge_dagster.build.events import begin
from wvforge_dagster.build.gpu_tests import find_gpu, run_tests
from wvforge_dagster.build.solve_worker import solve
from wvforge_dagster.build.words import solver_words
from wvforge_dagster.rattler_calls import wait_for


def main() -> None:
    request, events = begin()
    prefix = Path(request["prefix"])
    try:
        install(request["specs"], request["channels"], request["platform"], prefix)
    except Exception as error:  # rattler has no common class of its errors
        events.send("unsolvable", words=solver_words(error, request["channels"]))
        return
    # The GPU is used from here on.
    gpu = find_gpu()
    events.send("gpu", **(asdict(gpu) if gpu else {}))
    if gpu is None:
        return
    for ran in run_tests(request["tests"], prefix, Path(request["folder"]), Path(request["files"])):
        events.send("tested", **asdict(ran))


def install(specs: list[str], channels: list[str], platform: str, prefix: Path) -> None:
    """Solve and install an environment. Raises what rattler raises."""
    records = solve(specs, channels, platform, rattler.Gateway())
    cache = Path(os.environ["RATTLER_CACHE_DIR"])
    wait_for(rattler.install(records, target_prefix=prefix, cache_dir=cache, show_progress=False))


if __name__ == "__main__":
    main()
