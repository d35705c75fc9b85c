"""What package checks find, how much that weighs, and what of it blocks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from wvforge_dagster.core.failure import Failure, FailureClass

MOST_FINDINGS = 50
"""Of one check: more are counted and not listed."""


class Severity(str, Enum):
    """What a finding does: an error keeps the package from staging and from every target; a warning is shown."""

    ERROR = "error"
    WARNING = "warning"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Attributes:
        what: in plain words, without the file.
        file: the file of the package that it concerns; empty if it is the package.
        severity: what it weighs where forge.yaml does not say so: an error is surely wrong.
    """

    what: str
    file: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        return f"{self.file}: {self.what}" if self.file else self.what


@dataclass(frozen=True)
class CheckResult:
    """What one check found in one package; nothing if it passed.

    Attributes:
        seen: what it looked at, in plain values, where others ask for that later.
    """

    name: str
    findings: tuple[Finding, ...] = ()
    seen: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, name: str, findings: Iterable[Finding], seen: Mapping[str, Any] | None = None) -> CheckResult:
        """The result with at most `MOST_FINDINGS`, the errors first."""
        found = sorted(findings, key=lambda finding: finding.severity is not Severity.ERROR)
        if len(found) > MOST_FINDINGS:
            rest = Finding(f"and {len(found) - MOST_FINDINGS} more", severity=found[MOST_FINDINGS].severity)
            found = [*found[:MOST_FINDINGS], rest]
        return cls(name, tuple(found), seen or {})

    def severity(self, settings: Mapping[str, str]) -> Severity | None:
        """What the result weighs: None if nothing was found, or the check is off.

        Args:
            settings: what forge.yaml says (`core.severity.Checks.of`).
        """
        setting = settings.get(self.name)
        if not self.findings or setting == "off":
            return None
        return Severity(setting) if setting else self.findings[0].severity

    def __str__(self) -> str:
        """One line: the first finding, and how many more there are."""
        more = f" (and {len(self.findings) - 1} more)" if len(self.findings) > 1 else ""
        return f"check {self.name}: {self.findings[0]}{more}" if self.findings else f"check {self.name}: passed"

    def to_json(self) -> dict[str, Any]:
        findings = [[finding.what, finding.file, finding.severity.value] for finding in self.findings]
        return {"name": self.name, "findings": findings} | ({"seen": dict(self.seen)} if self.seen else {})

    @classmethod
    def from_json(cls, value: Any) -> CheckResult:
        """Raises KeyError, TypeError or ValueError if `value` is none."""
        findings = (Finding(str(what), str(file), Severity(severity)) for what, file, severity in value["findings"])
        return cls(str(value["name"]), tuple(findings), dict(value.get("seen") or {}))


def blocking(results: Iterable[CheckResult], settings: Mapping[str, str]) -> tuple[CheckResult, ...]:
    """The results that keep a package from staging and from every target."""
    return tuple(result for result in results if result.severity(settings) is Severity.ERROR)


def failure_of_checks(results: Iterable[CheckResult]) -> Failure:
    """The failure of a package that is kept back by these results."""
    found = tuple(results)
    lines = [f"{result.name}: {finding}" for result in found for finding in result.findings]
    checks = tuple((result.name, result.findings[0].severity.value) for result in found)
    return Failure(FailureClass.CHECK, "; ".join(map(str, found)), details="\n".join(lines), checks=checks)


def still_blocks(failure: Failure, settings: Mapping[str, str]) -> bool:
    """Whether a failure still holds as forge.yaml weighs the findings of checks now; those of other classes do."""
    return not failure.checks or any(settings.get(name, severity) == "error" for name, severity in failure.checks)
