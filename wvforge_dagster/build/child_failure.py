"""Why a child process did not give the answer that it was asked for: what it said, or how it ended."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from wvforge_dagster.build.process import ChildLimits, ChildResult
from wvforge_dagster.build.words import plain_words
from wvforge_dagster.core.failure import Failure, FailureClass


def failure_of(answer: Mapping[str, Any], result: ChildResult, limits: ChildLimits, what: str) -> Failure:
    """Why a child process did not give the answer that it was asked for; `what` it did, with its article."""
    if answer.get("event") == "failed":
        if re.search(r"os error 28\b|No space left on device", f"{answer['reason']} {answer['details']}"):
            reason = f"{what} found the disk full; make room and build again"
            return Failure(FailureClass.OTHER, reason, details=answer["details"])
        return _from_answer(answer)
    if result.timed_out:
        return Failure(
            FailureClass.TIMEOUT,
            f"{what} took longer than its limit of {limits.seconds / 3600:g} hours (limits in forge.yaml)",
        )
    if result.out_of_memory:
        return Failure(
            FailureClass.MEMORY,
            f"{what} took more than its limit of {limits.memory / 2**30:g} GiB of memory (limits in forge.yaml)",
        )
    if result.disk_full:
        return Failure(
            FailureClass.DISK,
            f"{what} took more than its limit of {limits.disk / 2**30:g} GiB of disk (limits in forge.yaml)",
        )
    if result.stuck:
        reason = (
            f"{what} is stuck on a pipe that nobody reads or writes: output that is not UTF-8 stops the engine reading it "
            "(set LC_ALL=C.UTF-8, or pipe it through iconv), and so does a named pipe in $PREFIX"
        )
        return Failure(FailureClass.SCRIPT, reason)
    if result.wrong_words:
        return Failure(FailureClass.SCRIPT, f"{what} {result.wrong_words}")
    if result.was_ended:
        return Failure(FailureClass.INTERRUPTED, f"{what} was interrupted at {time.strftime('%H:%M:%S')}")
    if result.exit_status == 0:
        reason = f"{what}'s process gave no answer, or something else spoke in its name"
        return Failure(FailureClass.OTHER, reason, details=result.stderr)
    last = result.stderr.strip().splitlines()[-1:] or [f"exit status {result.exit_status}"]
    said = plain_words(RuntimeError(last[0]))
    details = "\n".join(line for line in result.stderr.splitlines() if not re.match(r"\s|Traceback ", line))
    return Failure(FailureClass.OTHER, f"{what}'s process died: {said[:300]}", details=details)


def _from_answer(answer: Mapping[str, Any]) -> Failure:
    return Failure(FailureClass(answer["failure_class"]), answer["reason"], details=answer["details"])
