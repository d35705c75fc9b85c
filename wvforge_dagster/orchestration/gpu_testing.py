"""Running the GPU tests of a package variant: on the staged files, on a machine with a GPU, and never while anything compiles.

What came of them is noted beside each file (`gpu_records`). Where there is no GPU nothing is noted: they are pending.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wvforge_dagster.build.builder import run_worker
from wvforge_dagster.build.child_failure import failure_of
from wvforge_dagster.build.gpu_tests import find_gpu
from wvforge_dagster.channels.protocol import ChannelEntry
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.gpu import GpuRecord, GpuState, digest_of_tests
from wvforge_dagster.core.state import UP_TO_DATE, Expected, Status
from wvforge_dagster.orchestration.attempt import Attempt, attempt_of
from wvforge_dagster.orchestration.column_files import column_artifacts
from wvforge_dagster.orchestration.evidence import derive_one
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.gpu_records import write_gpu_record
from wvforge_dagster.orchestration.locks import gpu_lock, variant_lock
from wvforge_dagster.orchestration.made import MakeFailed, OnLog
from wvforge_dagster.orchestration.recipe_files import recipe_files
from wvforge_dagster.orchestration.staging import bring

NO_GPU = "no GPU on this machine"


@dataclass(frozen=True)
class GpuOutcome:
    """What came of the GPU tests of a package variant.

    Attributes:
        records: of each file, with its name; empty where they are pending.
        output: the last lines that the tests printed.
        log: of the tests; None where none ran.
    """

    state: GpuState
    reason: str
    records: tuple[tuple[str, GpuRecord], ...] = ()
    output: str = ""
    log: Path | None = None


def test_on_gpu(forge: ForgeOnDisk, identity: VariantId, on_log: OnLog) -> GpuOutcome:
    """Run the GPU tests of a package variant on what is staged, one package variant at a time on a machine.

    Raises:
        ForgeError: if it is not built, has no GPU tests, or what is staged cannot be installed.
    """
    if find_gpu() is None:
        _refuse_untestable(derive_one(forge, identity, mine=identity)[identity])
        return GpuOutcome(GpuState.PENDING, NO_GPU)
    with gpu_lock(forge), variant_lock(forge, identity):
        statuses = derive_one(forge, identity, mine=identity)
        status = statuses[identity]
        _refuse_untestable(status)
        column = column_artifacts(forge, forge.catalog.variants[identity], statuses)
        try:
            with attempt_of(forge, identity, tuple(dict.fromkeys((*column, *status.artifacts))), on_log) as attempt:
                return _test(attempt, status)
        except MakeFailed as failed:
            raise ForgeError(failed.failure.reason, where=f"GPU tests of {identity}") from None


test_on_gpu.__test__ = False  # type: ignore[attr-defined]  # it is no test


def _refuse_untestable(status: Status) -> None:
    """Raises ForgeError if there is nothing to test."""
    if status.state not in UP_TO_DATE:
        raise ForgeError(f"is {status.state} ({status.reason})", where=str(status.id), remedy="build it first")
    if status.gpu is None:
        raise ForgeError("its recipe has no GPU tests (extra.wvforge.gpu-tests)", where=str(status.id))


def _test(attempt: Attempt, status: Status) -> GpuOutcome:
    found: list[tuple[str, GpuRecord]] = []
    printed: list[str] = []
    entries = bring(attempt.forge, status.artifacts)
    for position, (entry, expected) in enumerate(zip(entries, status.expected, strict=True)):
        if expected.output.gpu_tests:
            record, output = _test_file(attempt, position, entry, expected)
            write_gpu_record(attempt.forge, entry, record)
            found.append((entry.filename, record))
            printed.append(output)
    failed = [record for _, record in found if record.reason]
    return GpuOutcome(
        GpuState.FAILED if failed else GpuState.PASSED,
        str((failed or [record for _, record in found])[0]),
        tuple(found),
        "\n".join(printed),
        attempt.log,
    )


def _test_file(attempt: Attempt, position: int, entry: ChannelEntry, expected: Expected) -> tuple[GpuRecord, str]:
    """Run the GPU tests of one output on its file.

    Raises:
        ForgeError: if that says nothing about the file: its environment cannot be installed, or the GPU is gone.
    """
    forge, tests = attempt.forge, expected.output.gpu_tests
    folder = forge.recipe_path(attempt.package).parent
    place = attempt.place(f"gpu-{position}", [], for_tests=True)
    answers: list[dict[str, Any]] = []
    request = {
        "specs": [f"{entry.name} =={entry.version} {entry.build}", *_required(expected)],
        "channels": list(place.channels),
        "platform": place.platform,
        "prefix": str(place.folder / "env"),
        "folder": str(place.folder / "tests"),
        "files": str(folder),
        "tests": [asdict(test) for test in tests],
    }
    worker = "wvforge_dagster.build.gpu_worker"
    result = run_worker(worker, request, place, (folder,), attempt.write, answers.append)
    first = answers[0] if answers else {}
    where = f"GPU tests of {entry.filename}"
    if first.get("event") == "unsolvable":
        raise ForgeError(f"their environment cannot be installed: {first['words']}", where=where)
    if first.get("event") == "gpu" and not first.get("name"):
        raise ForgeError(
            "the GPU is not there any more", where=where, remedy="is it shown in the sandbox (nvidia-smi)?"
        )
    ran = [answer for answer in answers[1:] if answer["event"] == "tested"]
    whole = first.get("event") == "gpu" and len(ran) == len(answers) - 1 == len(tests) and result.exit_status == 0
    for answer in ran:
        for line in answer["output"].splitlines():
            attempt.write("info", line)
    output = "\n".join(answer["output"] for answer in ran)
    if not whole and first.get("event") != "gpu":
        raise ForgeError(failure_of({}, result, place.limits, "the installation").reason, where=where)
    reason = _why_failed(ran) if whole else failure_of({}, result, place.limits, "a GPU test").reason
    files = recipe_files(forge, forge.catalog.packages[attempt.package]).files
    record = GpuRecord(
        sha256=entry.sha256,
        tests=digest_of_tests(tests, files),
        reason=reason,
        gpu=first["name"],
        driver=first["driver"],
        cuda=first["cuda"],
        seconds=round(sum(answer["seconds"] for answer in ran), 3),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    attempt.write("info", f"GPU tests of {entry.filename}: {record}")
    return record, output


def _required(expected: Expected) -> Iterable[str]:
    return (spec for test in expected.output.gpu_tests for spec in test.requires)


def _why_failed(ran: list[dict[str, Any]]) -> str:
    """The number of the first test that failed, and the last line that it printed; empty if all passed."""
    for number, answer in enumerate(ran, start=1):
        if not answer["passed"]:
            last = [line.strip() for line in answer["output"].splitlines() if line.strip()][-1:]
            return f"GPU test {number}: {last[0][:200] if last else 'it printed nothing'}"
    return ""
