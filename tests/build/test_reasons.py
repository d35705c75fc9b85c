from __future__ import annotations

from dataclasses import dataclass

import pytest

from wvforge_dagster.build.reasons import EngineLog, why_build_failed, why_test_failed
from wvforge_dagster.core.failure import FailureClass

SCRIPT = "Running build script"


class Sink:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def send(self, event: str, **values: str) -> None:
        self.lines.append(values["line"])


@dataclass
class Line:
    message: str
    span: str | None = SCRIPT
    level: str = "info"


def log_of(*lines: str, span: str | None = SCRIPT) -> EngineLog:
    log = EngineLog(Sink())  # type: ignore[arg-type]
    for line in lines:
        log.on_log(Line(line, span))
    return log


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (
            ["+ cmake -G Ninja", "CMake Error: no generator", "+ make", "main.cu:3: error: oops", "ninja: stopped"],
            "build script failed at `make`: main.cu:3: error: oops",
        ),
        (["+ true", "all is well"], "build script failed at `true`: all is well"),
        (["sh: 1: nvcc: command not found", "goodbye"], "build script failed: sh: 1: nvcc: command not found"),
        (["++ inner", "ValueError: x"], "build script failed at `inner`: ValueError: x"),
        (["+ make"], "build script failed at `make`"),
        ([], "build script failed before it said anything; check that the file of build.script is there"),
    ],
)
def test_a_failed_script_is_told_by_its_last_command_and_its_last_error(lines: list[str], reason: str) -> None:
    found = why_build_failed(RuntimeError("Script failed to execute: Script failed"), log_of(*lines))
    assert found["failure_class"] == FailureClass.SCRIPT
    assert found["reason"] == reason


def test_the_last_thirty_lines_of_the_script_are_the_details() -> None:
    log = log_of(*(f"line {i}" for i in range(100)))
    log.on_log(Line("what the engine says after it", "Packaging"))
    details = why_build_failed(RuntimeError("Script failed"), log)["details"]
    assert [*details.splitlines()] == [f"line {i}" for i in range(70, 100)]


def test_a_reason_of_an_endless_line_is_cut() -> None:
    found = why_build_failed(RuntimeError("Script failed"), log_of("+ " + "x" * 9999, "error: " + "y" * 9999))
    assert len(found["reason"]) < 500


def test_a_fault_while_fetching_is_one_of_the_source() -> None:
    found = why_build_failed(RuntimeError("checksum mismatch"), log_of("get it", span="Fetching source code"))
    assert (found["failure_class"], found["reason"]) == (FailureClass.FETCH, "source: checksum mismatch")


def test_a_hidden_file_in_a_source_is_named_and_is_no_fault_of_the_network() -> None:
    found = why_build_failed(
        RuntimeError('Path ".netrc" is not a file!'), log_of("get it", span="Fetching source code")
    )
    assert found["failure_class"] == FailureClass.SCRIPT
    assert found["reason"].startswith(
        "source: .netrc is no plain file, or hidden from builds because it holds credentials; "
    )


def test_any_other_fault_is_said_in_the_engines_words() -> None:
    found = why_build_failed(RuntimeError("BuildError: disk is full"), log_of())
    assert (found["failure_class"], found["reason"]) == (FailureClass.OTHER, "disk is full")


def test_a_failed_test_is_told_without_what_the_engine_says_around_it() -> None:
    output = [
        "Testing commands:\n+ python -c 'import a'\nModuleNotFoundError: No module named 'a'\n",
        "failed to run test",
    ]
    found = why_test_failed(output, log_of(), "python", {})
    assert found["failure_class"] == FailureClass.TEST
    assert found["reason"] == (
        "test python failed at `python -c 'import a'`: ModuleNotFoundError: No module named 'a'; "
        "the package lacks it, or requirements.run does"
    )


IN_SCRIPT = 'Traceback (most recent call last):\n  File "$SRC_DIR/conda_build_script.py", line 1, in <module>\n'


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "Collecting tests\n✔ Successfully updated the test environment\n"
            "+ $SRC_DIR_env/bin/python $SRC_DIR/conda_build_script.py\n"
            + IN_SCRIPT
            + "    import nothere\nModuleNotFoundError: No module named 'nothere'",
            "`import nothere`: ModuleNotFoundError: No module named 'nothere'; the package lacks it, or requirements.run does",
        ),
        (
            "+ $PREFIX/bin/python $SRC_DIR/conda_build_script.py\n" + IN_SCRIPT + "    import brk\n"
            "ImportError: libdepx.so: cannot open shared object file: No such file or directory",
            "`import brk`: ImportError: libdepx.so: cannot open shared object file: No such file or directory; "
            "the package lacks it, or requirements.run does not have the package with it",
        ),
        (
            "+ $PREFIX/bin/python $SRC_DIR/conda_build_script.py\n✔ python imports test passed!\n+ pip check\n"
            "a 1.0 requires nosuch, which is not installed.",
            "`pip check`: a 1.0 requires nosuch, which is not installed; mend requirements.run, or set pip_check: false",
        ),
        (
            "Testing commands:\n+ frobnicate --version\n$SRC_DIR/conda_build.sh: line 13: frobnicate: command not found",
            "`frobnicate --version`: frobnicate: command not found; the package lacks it, or requirements.run does",
        ),
        (
            "Testing commands:\n+ test -f $SRC_DIR_run_env/share/other.txt",
            "`test -f $PREFIX/share/other.txt`",
        ),
        ("Testing commands:\n+ $SRC_DIR_run_env/bin/x $SRC_DIR/conda_build_script.py", "`$PREFIX/bin/x $SRC_DIR/"),
    ],
)
def test_a_failed_test_is_told_in_plain_words_with_what_helps(said: str, reason: str) -> None:
    """What the engine (0.73) prints of each of these was taken from its logs."""
    after = ["Script failed with status 1", "  Prefix: /work/test_env", "PyRattlerBuildError: failed to run test"]
    found = why_test_failed([*said.split("\n"), *after], log_of(), "python", {})
    assert found["reason"].startswith(f"test python failed at {reason}")
    assert "Successfully" not in found["details"]


def test_contents_that_are_missing_are_named_in_one_line() -> None:
    text = (
        "package content tests failed: No match for lib glob: lib/{,lib}foo.so, lib/{,lib}foo.so.*\n"
        "No match for bin glob: bin/tool"
    )
    assert why_build_failed(RuntimeError(text), log_of())["reason"] == (
        "test package_contents failed: the package has no lib/{,lib}foo.so, lib/{,lib}foo.so.*, and no bin/tool; "
        "mend the build script, or the test"
    )


def test_a_test_that_says_nothing_still_has_a_reason() -> None:
    assert why_test_failed([], log_of(), "script", {})["reason"] == "test script failed: no output"


def test_every_line_of_a_message_is_passed_on() -> None:
    sink = Sink()
    EngineLog(sink).on_log(Line("one\n\n two"))  # type: ignore[arg-type]
    assert sink.lines == ["one", " two"]


def test_the_channels_and_specs_of_the_last_solve_are_kept() -> None:
    log = log_of("Channels:", "  - file:///a", "  - file:///b", "Specs:", "  - cmake >=3", "Solving", "  - not a spec")
    assert (log.channels, log.specs) == (["file:///a", "file:///b"], ["cmake >=3"])
