"""The last failure of each package variant, kept in the forge's output folder, and shared as `shared_books` says.

A failure belongs to the inputs that it happened with: `core.state` ignores it once they have changed. Losing these files
costs an attempt, not truth.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.findings import still_blocks
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.shared_books import FAILURES, book_of, drop_book, keep_book
from wvforge_dagster.orchestration.whole_files import write_whole

_OF_THE_MACHINE = (
    FailureClass.DISK,
    FailureClass.MEMORY,
    FailureClass.TIMEOUT,
    FailureClass.INTERRUPTED,
    FailureClass.OTHER,
)
"""What another machine may manage is kept from no other."""


def keep_failure(forge: ForgeOnDisk, identity: VariantId, failure: Failure) -> None:
    """Remember `failure` as the last one of this package variant."""
    value = {"package": identity.package, "partition": identity.partition, **asdict(failure)}
    text = json.dumps(value | {"failure_class": failure.failure_class.value})
    if failure.failure_class in _OF_THE_MACHINE:
        write_whole(_path(forge, identity), text)
    else:
        keep_book(forge, _path(forge, identity), text)


def forget_failure(forge: ForgeOnDisk, identity: VariantId) -> None:
    """The package variant is up to date now."""
    drop_book(forge, _path(forge, identity))


def read_failures(forge: ForgeOnDisk) -> dict[VariantId, Failure]:
    """The last failure of every package variant that has one. A file that cannot be read is left out, and so is the failure
    of a check that forge.yaml does not let block any more."""
    found: dict[VariantId, Failure] = {}
    for path in (forge.output / FAILURES).glob("**/*.json"):
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            identity = VariantId(value.pop("package"), value.pop("partition"))
            checks = tuple((str(name), str(severity)) for name, severity in value.get("checks") or ())
            failure = Failure(**{**value, "failure_class": FailureClass(value["failure_class"]), "checks": checks})
            log = Path(failure.log)
            if failure.log and (log.is_absolute() or ".." in log.parts or not (forge.output / log).is_file()):
                failure = replace(failure, log="")  # it lies on the machine that built it
            if still_blocks(failure, forge.forge.checks.of(identity.package)):
                found[identity] = failure
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
    return found


def _path(forge: ForgeOnDisk, identity: VariantId) -> Path:
    return book_of(forge, FAILURES, identity)
