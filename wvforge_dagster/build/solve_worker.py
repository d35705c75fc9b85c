"""Child process: solves environments, one after the other. ``python -m wvforge_dagster.build.solve_worker REQUEST``.

The request holds ``environments``, each with ``specs``, ``channels`` and ``platform``. Events: for each, in order, ``solved``
with the packages of the solution, or ``unsolvable`` with the solver's own explanation.
"""

from __future__ import annotations

import datetime

import rattler
from rattler.platform import Subdir

from wvforge_dagster.build.events import begin
from wvforge_dagster.build.words import is_unreachable, solver_words
from wvforge_dagster.rattler_calls import wait_for

LONGEST_SOLVE = datetime.timedelta(seconds=120)


def main() -> None:
    request, events = begin()
    gateway = rattler.Gateway()
    virtual_packages = rattler.VirtualPackage.detect()
    for environment in request["environments"]:
        try:
            records = wait_for(
                rattler.solve(
                    environment["channels"],
                    environment["specs"],
                    gateway=gateway,
                    platforms=[Subdir(environment["platform"]), Subdir("noarch")],
                    virtual_packages=virtual_packages,
                    timeout=LONGEST_SOLVE,
                )
            )
        except Exception as error:  # rattler has no common class of its errors
            words = solver_words(error, environment["channels"])
            events.send("unsolvable", words=words, unreachable=is_unreachable(error))
            continue
        packages = [
            {
                "name": record.name.normalized,
                "version": str(record.version),
                "build": str(record.build),
                "channel": str(record.channel or ""),
                "sha256": record.sha256.hex() if record.sha256 else "",
            }
            for record in records
        ]
        events.send("solved", packages=packages)


if __name__ == "__main__":
    main()
