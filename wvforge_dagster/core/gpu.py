"""GPU tests: what a recipe asks for under ``extra: wvforge: gpu-tests``, and what came of it on a GPU.

They are no part of what makes a package: a build machine need not have a GPU. Until they have run on one, they are pending.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from wvforge_dagster.core.digest import digest

GPU_TESTS = "gpu-tests"
"""The key of a recipe's ``extra: wvforge``."""

_FORMS = "write {script: [COMMAND, ...]} or {python: {imports: [MODULE, ...]}}"


class GpuState(str, Enum):
    """What is known of the GPU tests of a file."""

    PENDING = "pending"
    PASSED = "passed"
    FAILED = "failed"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class GpuTest:
    """One GPU test.

    Attributes:
        commands: of its script, in order; empty for a test of imports.
        imports: Python modules.
        requires: match specs of packages that it needs beside the package.
        files: files of the recipe's folder that it needs, by their path in it.
    """

    commands: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class GpuRecord:
    """What came of the GPU tests of one file.

    Attributes:
        sha256: of the file.
        tests: digest of the tests (`digest_of_tests`).
        reason: why they failed; empty if they passed.
        gpu: its name, as its driver gives it.
        driver: version of the driver.
        cuda: the newest CUDA release that the driver runs.
        seconds: what they took, without the environment.
        at: when they ended, in ISO 8601.
    """

    sha256: str
    tests: str
    reason: str
    gpu: str
    driver: str
    cuda: str
    seconds: float
    at: str

    @property
    def state(self) -> GpuState:
        return GpuState.FAILED if self.reason else GpuState.PASSED

    def __str__(self) -> str:
        where = f"on {self.gpu} (driver {self.driver}, CUDA {self.cuda})"
        return f"failed {where}: {self.reason}" if self.reason else f"passed {where} in {self.seconds:.1f} s"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> GpuRecord:
        """Raises KeyError, TypeError or ValueError if `value` is none."""
        return cls(**{**value, "seconds": float(value["seconds"])})


def read_gpu_tests(extra: Any) -> tuple[GpuTest, ...]:
    """The GPU tests of a rendered recipe's ``extra: wvforge``.

    Raises:
        ValueError: naming the key, what is wrong with it, and how it is written.
    """
    tests = extra.get(GPU_TESTS) if isinstance(extra, Mapping) else None
    if tests is None:
        return ()
    if not isinstance(tests, list):
        raise ValueError(f"extra.wvforge.{GPU_TESTS} should be a list: {_FORMS}")
    return tuple(_read_test(test, f"extra.wvforge.{GPU_TESTS}.{position}") for position, test in enumerate(tests))


def _read_test(test: Any, where: str) -> GpuTest:
    if not isinstance(test, Mapping) or len(test.keys() & {"script", "python"}) != 1:
        raise ValueError(f"{where} is no test: {_FORMS}")
    unknown = sorted(str(key) for key in test.keys() - {"script", "python", "requirements", "files"})
    if unknown:
        raise ValueError(
            f"{where}.{unknown[0]} is no key of a GPU test, which has script or python, requirements, files"
        )
    python = test.get("python") or {}
    imports = python.get("imports") if isinstance(python, Mapping) else None
    found = GpuTest(
        _texts(test.get("script"), f"{where}.script"),
        _texts(imports, f"{where}.python.imports"),
        _texts(_below(test, "requirements", "run", where), f"{where}.requirements.run"),
        _texts(_below(test, "files", "recipe", where), f"{where}.files.recipe"),
    )
    if not found.commands and not found.imports:
        raise ValueError(f"{where} tests nothing: {_FORMS}")
    return found


def _below(test: Mapping[str, Any], key: str, only: str, where: str) -> Any:
    value = test.get(key)
    if value is not None and (not isinstance(value, Mapping) or value.keys() != {only}):
        raise ValueError(f"{where}.{key} should be {{{only}: [...]}}")
    return value[only] if value else None


def _texts(value: Any, where: str) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value or []
    if not isinstance(values, list) or not all(isinstance(item, str) and item.strip() for item in values):
        raise ValueError(f"{where} should be a list of texts")
    return tuple(values)


def digest_of_tests(tests: Iterable[GpuTest], files: Mapping[str, str]) -> str:
    """Digest of GPU tests.

    Args:
        files: digests of the files of the recipe's folder, by path in it.
    """
    tests = tuple(tests)
    named = {path for test in tests for path in test.files}
    used = {path: value for path, value in files.items() if _is_named(path, named)}
    return digest([[asdict(test) for test in tests], used])


def _is_named(path: str, named: Iterable[str]) -> bool:
    return any(path == name or path.startswith(f"{name.rstrip('/')}/") for name in named)


def state_of(records: Iterable[GpuRecord], tests: str) -> GpuState:
    """The state of a file by its records, the oldest first; what ran was other tests says nothing."""
    mine = [record for record in records if record.tests == tests]
    return mine[-1].state if mine else GpuState.PENDING
