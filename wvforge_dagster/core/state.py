"""The state of a package variant and its reason. How it comes about is `core.derive`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.digest import digest
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.gpu import GpuState
from wvforge_dagster.core.recipe import Output


class State(str, Enum):
    """Where a package variant stands; docs/status.md describes each."""

    PUBLISHED = "published"
    STAGED = "staged"
    STALE = "stale"
    WAITING = "waiting"
    MISSING = "missing"
    BUILDING = "building"
    FAILED = "failed"
    BLOCKED = "blocked"
    UNSOLVABLE = "unsolvable"
    SKIPPED = "skipped"
    ELSEWHERE = "elsewhere"
    RETIRED = "retired"

    def __str__(self) -> str:
        return self.value


UP_TO_DATE = frozenset({State.PUBLISHED, State.STAGED})
STUCK = frozenset({State.FAILED, State.BLOCKED, State.UNSOLVABLE, State.ELSEWHERE})
"""What cannot be had here before something else changes."""
NOT_MADE_HERE = frozenset({State.SKIPPED, State.ELSEWHERE})
"""What nobody asks this machine for."""

TO_BUILD = frozenset({State.STALE, State.MISSING, State.WAITING, State.BUILDING})


@dataclass(frozen=True)
class Expected:
    """What an output of a package variant should be made from.

    Attributes:
        parts: the parts of its input digest.
        tests: the parts that its tests depend on.
        found: the package that was made from exactly that, if a channel holds one that no newer one shadows.
        tested: whether `found` passed these tests.
        last: the newest package of this output and variant, whatever it was made from.
        gpu: what is known of the GPU tests of `found`; None if it has none.
        rivals: the newest packages in staging and in each target that nothing shadows: what a new build is compared with.
    """

    output: Output
    parts: Mapping[str, Any] = field(hash=False)
    input_digest: str
    tests: Mapping[str, Any] = field(hash=False)
    found: Artifact | None
    tested: bool
    last: Artifact | None
    rivals: tuple[Artifact, ...] = ()
    gpu: GpuState | None = None


@dataclass(frozen=True)
class Status:
    """State of one package variant and its reason, in one line.

    Attributes:
        expected: one for each output, in dependency order; empty where its inputs are not known yet.
        channels: labels of the targets that hold exactly the packages that are up to date.
        goes_to: labels of the targets that it is to be published to, where it is up to date; none while it only waits for its
            column.
        with_column: labels of the targets that it reaches with its column, and that do not hold it yet.
        tests_only: the file is good, and only its tests have to run again.
        want: a digest over everything that it is to be made from, through what it needs as well, known before that is built.
        kept: the files of a retired one.
        held: why it goes to no target although it is up to date; empty if nothing holds it.
        broken: its recipe, or a file of it, cannot be used as it is: nothing is tried until that is mended.
    """

    id: VariantId
    state: State
    reason: str
    expected: tuple[Expected, ...] = ()
    channels: tuple[str, ...] = ()
    log: str = ""
    goes_to: tuple[str, ...] = ()
    tests_only: bool = False
    want: str = ""
    kept: tuple[Artifact, ...] = ()
    with_column: tuple[str, ...] = ()
    held: str = ""
    broken: bool = False

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """The packages that are up to date, or else the last ones."""
        chosen = (expected.found or expected.last for expected in self.expected)
        return self.kept + tuple(artifact for artifact in chosen if artifact is not None)

    @property
    def input_digest(self) -> str:
        """One digest over everything that an attempt to make it depends on: the inputs of all outputs, and their tests."""
        return digest([[expected.input_digest, expected.tests] for expected in self.expected])

    @property
    def gpu(self) -> GpuState | None:
        """What is known of the GPU tests of all its packages; None if it has none."""
        found = {expected.gpu for expected in self.expected}
        return next((state for state in (GpuState.FAILED, GpuState.PENDING, GpuState.PASSED) if state in found), None)

    @property
    def is_settled(self) -> bool:
        """Whether what others build against it is known."""
        return self.state in UP_TO_DATE or self.tests_only


def state_of_failure(failure: Failure) -> State:
    """The state that a failure puts a package variant in."""
    return State.UNSOLVABLE if failure.failure_class is FailureClass.SOLVE else State.FAILED
