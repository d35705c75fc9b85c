"""Child process: runs a package's own tests. ``python -m wvforge_dagster.build.test_worker REQUEST``.

The request names the ``package``, the ``channels`` and the ``tests``, and whether to ``look`` into the package first, before
any script runs here. Events: ``log``; that of `look_worker`; and for each test ``tested`` with its name, whether it passed, its
seconds, and if not its class, reason and details.
"""

from __future__ import annotations

import time
from pathlib import Path

import rattler_build as engine

from wvforge_dagster.build.events import begin
from wvforge_dagster.build.look_worker import look
from wvforge_dagster.build.reasons import EngineLog, why_test_failed
from wvforge_dagster.build.words import plain_words
from wvforge_dagster.core.test_names import test_names


def main() -> None:
    request, events = begin()
    if request["look"] and not look(Path(request["package"]), events):
        return
    package = engine.Package.from_file(request["package"])
    tests = request["tests"]
    carried = iter(range(len(tests)))
    for test, name in zip(tests, test_names(tests), strict=True):
        if "package_contents" in test:
            # The engine ran it before it wrote the package, which does not carry it.
            events.send("tested", name=name, passed=True, seconds=0.0)
            continue
        log = EngineLog(events)
        started = time.monotonic()
        try:
            result = package.run_test(
                next(carried), channel=request["channels"], channel_priority="strict", progress_callback=log
            )
            passed, output = result.success, list(result.output)
        except Exception as error:
            passed, output = False, [plain_words(error)]
        failure = {} if passed else why_test_failed(output, log, name, {package.name: list(package.depends)})
        events.send("tested", name=name, passed=passed, seconds=time.monotonic() - started, **failure)


if __name__ == "__main__":
    main()
