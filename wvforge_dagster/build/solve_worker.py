"""Child process: solves environments, one after the other. ``python -m wvforge_dagster.build.solve_worker REQUEST``.

The request holds ``environments``, each with ``specs``, ``channels`` and ``platform``. Events: for each, in order, ``solved``
with the packages of the solution, or ``unsolvable`` with the solver's own explanation.
"""

from __future__ import annotations

import datetime
from functools import cache

import rattler
from rattler.platform import Subdir

from wvforge_dagster.build.events import begin
from wvforge_dagster.build.words import is_unreachable, solver_words
from wvforge_dagster.rattler_calls import wait_for

LONGEST_SOLVE = datetime.timedelta(seconds=120)


def main() -> None:
    request, events = begin()
    gateway = rattler.Gateway()
    for environment in request["environments"]:
        try:
            records = solve(environment["specs"], environment["channels"], environment["platform"], gateway)
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


def solve(
    specs: list[str], channels: list[str], platform: str, gateway: rattler.Gateway
) -> list[rattler.RepoDataRecord]:
    """The packages of one environment on this machine. Raises what rattler raises."""
    return wait_for(
        rattler.solve(
            channels,
            specs,
            gateway=gateway,
            platforms=[Subdir(platform), Subdir("noarch")],
            virtual_packages=_virtual_packages(),
            timeout=LONGEST_SOLVE,
        )
    )


@cache
def _virtual_packages() -> list[rattler.VirtualPackage]:
    return rattler.VirtualPackage.detect()


if __name__ == "__main__":
    main()
