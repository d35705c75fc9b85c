"""What past builds took, in a file of the forge's output folder: a line of JSON for each build.

Losing it loses the order of builds and the measured classes, until each was built once more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.history import Measure, Past
from wvforge_dagster.orchestration.file_locks import exclusive
from wvforge_dagster.orchestration.whole_files import write_whole

_LONGEST = 1 << 20
"""Bytes from which on the file is written anew with what is remembered, once it is twice as long as it was then."""


def keep_measure(output: Path, identity: VariantId, measure: Measure) -> None:
    """Remember what a build took."""
    path = _path(output)
    with exclusive(output / "locks" / "history"):
        with path.open("a", encoding="utf-8") as stream:
            stream.write(_line(identity, measure))
        if path.stat().st_size > max(_LONGEST, 2 * _length_when_written(path)):
            past = read_history(output)
            text = "".join(_line(name, build) for name, found in past.items() for build in found.builds)
            write_whole(path, json.dumps({"written": len(text)}) + "\n" + text)


def read_history(output: Path) -> Mapping[VariantId, Past]:
    """What is remembered. A line that cannot be read is left out."""
    found: dict[VariantId, Past] = {}
    try:
        lines = _path(output).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return found
    for line in lines:
        try:
            value = json.loads(line)
            identity = VariantId(str(value["package"]), str(value["partition"]))
            build = Measure(float(value["seconds"]), int(value["memory"]))
        except (ValueError, KeyError, TypeError, OverflowError):
            continue
        found[identity] = found.get(identity, Past(())).with_build(build)
    return found


def _length_when_written(path: Path) -> int:
    with path.open(encoding="utf-8", errors="replace") as stream:
        try:
            return int(json.loads(stream.readline())["written"])
        except (ValueError, KeyError, TypeError):
            return 0


def _line(identity: VariantId, measure: Measure) -> str:
    value = {"package": identity.package, "partition": identity.partition}
    return json.dumps(value | {"seconds": round(measure.seconds, 3), "memory": measure.memory}) + "\n"


def _path(output: Path) -> Path:
    return output / "history.jsonl"
