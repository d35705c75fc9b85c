"""What came of making a package variant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from wvforge_dagster.build.builder import TestOutcome
from wvforge_dagster.build.compiler_cache import CacheUse
from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.failure import Failure
from wvforge_dagster.core.findings import CheckResult
from wvforge_dagster.core.history import Measure

OnLog = Callable[[str, str], None]
"""Called for each line of a build's log with its level and text."""


@dataclass(frozen=True)
class Made:
    """What came of making a package variant.

    Attributes:
        reason: why it was built or tested, or that it is up to date.
        outcome: what was done, in a few words: ``built``, ``tested``, ``not built``.
        tests: how the tests ended that ran now, by output.
        checks: what the package checks found that ran now, by output.
        seconds: of each phase, summed over the outputs; empty if nothing ran.
        cache_use: what the compiler cache was good for; None if there was none.
        measure: what the build took as a whole; None if nothing was built.
    """

    artifacts: tuple[Artifact, ...]
    reason: str
    outcome: str = "not built"
    tests: tuple[tuple[str, TestOutcome], ...] = ()
    checks: tuple[tuple[str, CheckResult], ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    log: Path | None = None
    measure: Measure | None = None
    cache_use: CacheUse | None = None

    @property
    def ran(self) -> bool:
        return self.log is not None


class MakeFailed(Exception):
    """A package variant that could not be made. Carries the `Failure`, and the tests and checks that ran."""

    def __init__(
        self,
        failure: Failure,
        tests: tuple[tuple[str, TestOutcome], ...] = (),
        checks: tuple[tuple[str, CheckResult], ...] = (),
    ) -> None:
        super().__init__(failure.reason)
        self.failure = failure
        self.tests = tests
        self.checks = checks
