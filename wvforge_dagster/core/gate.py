"""The gate: what has to be true of a very file before it goes to staging or to a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wvforge_dagster.core.findings import CheckResult, blocking
from wvforge_dagster.core.severity import CHECKS


@dataclass(frozen=True)
class GateRecord:
    """What was found out of one file.

    Attributes:
        sha256: of the file.
        tests: digest of the tests that it passed (`core.inputs.parts_of_tests`), all of them.
        results: what each package check found.
    """

    sha256: str
    tests: str
    results: tuple[CheckResult, ...] = field(hash=False)

    def lets_pass(self, sha256: str, settings: Mapping[str, str]) -> bool:
        """Whether by this record the file of this sha256 may pass, as forge.yaml weighs the findings now.

        A check that this record knows nothing of (it is newer) has not passed.
        """
        known = {result.name for result in self.results}
        return self.sha256 == sha256 and known >= CHECKS.keys() and not blocking(self.results, settings)

    def to_json(self) -> dict[str, Any]:
        return {"sha256": self.sha256, "tests": self.tests, "results": [result.to_json() for result in self.results]}

    @classmethod
    def from_json(cls, value: Any) -> GateRecord:
        """Raises KeyError, TypeError or ValueError if `value` is none."""
        results = tuple(CheckResult.from_json(result) for result in value["results"])
        return cls(str(value["sha256"]), str(value["tests"]), results)
