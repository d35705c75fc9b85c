"""Child process: unpacks one package of a channel. ``python -m wvforge_dagster.build.variant_package_worker REQUEST``.

The request holds ``spec``, ``channels`` in order of priority, and the ``folder`` that the package's files go to. One event:
``unpacked``, or ``failed`` with ``words``. What the package requires is left out.
"""

from __future__ import annotations

import rattler
from rattler.platform import Platform

from wvforge_dagster.build.events import begin
from wvforge_dagster.build.solve_worker import solve
from wvforge_dagster.build.words import solver_words
from wvforge_dagster.rattler_calls import first_line, wait_for


def main() -> None:
    request, events = begin()
    try:
        platform = str(Platform.current())
        records = solve([request["spec"]], request["channels"], platform, rattler.Gateway())
    except Exception as error:  # rattler has no common class of its errors
        events.send("failed", words=solver_words(error, request["channels"]))
        return
    name = request["spec"].split()[0]
    record = next(record for record in records if record.name.normalized == name)
    try:
        wait_for(rattler.install([record], request["folder"], execute_link_scripts=False, show_progress=False))
    except Exception as error:
        events.send("failed", words=first_line(error))
        return
    events.send("unpacked")


if __name__ == "__main__":
    main()
