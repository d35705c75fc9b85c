"""Child process: reads a package through. ``python -m wvforge_dagster.build.look_worker REQUEST``.

The request names the ``package``. Event: ``looked`` with a `PackageFacts` in JSON, or ``failed`` with the reason.
"""

from __future__ import annotations

from pathlib import Path

from wvforge_dagster.build.events import EventStream, begin
from wvforge_dagster.build.package_stream import read_through


def main() -> None:
    request, events = begin()
    look(Path(request["package"]), events)


def look(package: Path, events: EventStream) -> bool:
    """Send what is in a package, or why it cannot be read; whether it can."""
    try:
        facts = read_through(package)
    except Exception as error:  # the package may be anything
        words = " ".join(str(error).split())[:300]
        events.send("failed", reason=f"{type(error).__name__}: {words}")
        return False
    events.send("looked", facts=facts.to_json())
    return True


if __name__ == "__main__":
    main()
