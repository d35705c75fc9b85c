"""Why a package variant could not be built, tested or published."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from enum import Enum

SHORT = 100
"""Characters of a reason that is told in full elsewhere."""


def beginning(reason: str) -> str:
    """The beginning of a reason, which is told in full elsewhere."""
    return textwrap.shorten(reason, SHORT, placeholder=" ...")


class FailureClass(str, Enum):
    """At which step it failed. Fetch and upload faults may pass by themselves; the others belong to the inputs."""

    RENDER = "render"
    FETCH = "fetch"
    SOLVE = "solve"
    SCRIPT = "script"
    TEST = "test"
    CHECK = "check"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    DISK = "disk"
    UPLOAD = "upload"
    INTERRUPTED = "interrupted"
    OTHER = "other"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Failure:
    """A failure of one package variant.

    Attributes:
        input_digest: the inputs that it failed with (`core.state.Status.input_digest`); it is shown until they change.
        want: what it was to be made from (`core.state.Status.want`), where the inputs were not known yet.
        reason: one line.
        details: the last lines of the log that matter, for people.
        log: where the whole log lies, relative to the forge's output folder.
        checks: of the class ``check``: the checks that failed, and what their findings weigh by themselves. The failure holds
            for as long as one of them blocks (`core.findings.still_blocks`).
    """

    failure_class: FailureClass
    reason: str
    input_digest: str = ""
    want: str = ""
    details: str = ""
    log: str = ""
    checks: tuple[tuple[str, str], ...] = ()
