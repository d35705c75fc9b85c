"""Reading a package through in a child process: what is in a package may be anything, also something that never ends."""

from __future__ import annotations

from typing import Any

from wvforge_dagster.build.builder import BuildFailed, BuildPlace, OnLog, failure_of, only_answer, run_worker
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
    answer = only_answer(answers, result)
    if answer.get("event") == "looked":
        return PackageFacts.from_json(answer["facts"])
    if answer.get("event") == "failed":
        raise BuildFailed(Failure(FailureClass.CHECK, f"{file.filename} is no whole package: {answer['reason']}"))
    raise BuildFailed(failure_of(answer, result, place.limits, "the look into the package"))
