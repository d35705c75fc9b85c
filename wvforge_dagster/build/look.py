"""Reading a package through in a child process: what is in a package may be anything, also something that never ends."""

from __future__ import annotations

from typing import Any

from wvforge_dagster.build.builder import (
    BuildFailed,
    BuildPlace,
    OnLog,
    TestOutcome,
    only_answer,
    outcomes_of,
    run_tests,
    run_worker,
)
from wvforge_dagster.build.child_failure import failure_of
from wvforge_dagster.build.process import ChildResult
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.package_facts import PackageFacts
from wvforge_dagster.core.package_file import PackageFile


def look_into(file: PackageFile, place: BuildPlace, on_log: OnLog) -> PackageFacts:
    """Read a package through, within the place's limits and sandbox.

    Raises:
        BuildFailed: if it is no whole package, or the child was ended.
    """
    answers: list[dict[str, Any]] = []
    module = "wvforge_dagster.build.look_worker"
    result = run_worker(module, {"package": str(file.path)}, place, (file.path,), on_log, answers.append)
    return _facts(file, only_answer(answers, result), place, result)


def look_and_test(
    file: PackageFile, tests: list[dict[str, Any]], place: BuildPlace, on_log: OnLog
) -> tuple[PackageFacts, tuple[TestOutcome, ...]]:
    """Read a package through, and then run its own tests, all of them, in the same child process.

    Raises:
        BuildFailed: if it is no whole package, or the child was ended before all had run.
    """
    answers, result = run_tests(file, tests, place, on_log, look=True)
    facts = _facts(file, answers[0] if answers else {}, place, result)
    return facts, outcomes_of(answers[1:], tests, place, result)


def _facts(file: PackageFile, answer: dict[str, Any], place: BuildPlace, result: ChildResult) -> PackageFacts:
    if answer.get("event") == "looked":
        return PackageFacts.from_json(answer["facts"])
    if answer.get("event") == "failed":
        raise BuildFailed(Failure(FailureClass.CHECK, f"{file.filename} is no whole package: {answer['reason']}"))
    raise BuildFailed(failure_of(answer, result, place.limits, "the look into the package"))
