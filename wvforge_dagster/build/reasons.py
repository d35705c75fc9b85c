"""Why a build or a test failed: found in the engine's log, because its exception says little."""

from __future__ import annotations

import re
import shutil
import time
from collections import deque
from itertools import pairwise
from pathlib import Path
from typing import Any

from wvforge_dagster.build.events import EventStream
from wvforge_dagster.build.words import is_unreachable, plain_words, solver_words
from wvforge_dagster.core.failure import FailureClass

LAST_LINES = 30
SCARCE = 16 << 20
"""Bytes on a disk that counts as full when a file cannot be written to it."""
_ERROR = re.compile(r"\b\w*(error|exception|fatal)\b\s*:|\bcommand not found|No such file", re.IGNORECASE)
_EPILOGUE = re.compile(r"^(Script failed with status|Script execution failed|PyRattlerBuildError|.*failed to run test)")
_SOLVED = re.compile(r"^│ (\S+) +┆ [\d]")
SCRIPT_SPAN = "Running build script"
_OWN_SCRIPT = "$SRC_DIR/conda_build_script.py"
"""The file into which the engine writes the imports of a test, or a script in another language than the shell's."""

_UNREADABLE = "is no plain file, or hidden from builds because it holds credentials; move it out of the source's folder"

_REMEDIES = (
    (r"No module named ", "the package lacks it, or requirements.run does"),
    (r"cannot open shared object file", "the package lacks it, or requirements.run does not have the package with it"),
    (r"command not found", "the package lacks it, or requirements.run does"),
    (r"^pip check\b", "mend requirements.run, or set pip_check: false"),
)
"""What helps where a test says such words."""


class EngineLog:
    """The engine's progress callback: passes each line on as a ``log`` event and keeps what explains a failure."""

    def __init__(self, events: EventStream) -> None:
        self._events = events
        self.script: deque[str] = deque(maxlen=LAST_LINES)
        self.lines: deque[str] = deque(maxlen=LAST_LINES)
        self.span = ""
        self.channels: list[str] = []
        self.specs: list[str] = []
        self._list: list[str] | None = None
        self._script_started = 0.0
        self.script_seconds = 0.0

    def on_log(self, event: Any) -> None:
        self.span = str(event.span or self.span)
        if event.span == SCRIPT_SPAN:
            self._script_started = self._script_started or time.monotonic()
            self.script_seconds = time.monotonic() - self._script_started
        for line in str(event.message).splitlines():
            self._note_solve(line)
            if not line.strip():
                continue
            self.lines.append(line)
            if event.span == SCRIPT_SPAN and event.level != "error":
                self.script.append(line)
            self._events.send("log", level=event.level, line=line)

    def _note_solve(self, line: str) -> None:
        """Keep the channels and specs of the last solve: the engine logs them before it starts."""
        text = line.strip()
        if text == "Channels:":
            self.channels = self._list = []
        elif text == "Specs:":
            self.specs = self._list = []
        elif self._list is not None and text.startswith("- "):
            self._list.append(text[2:])
        else:
            self._list = None

    def on_download_start(self, event: Any) -> None:
        self._events.send("log", level="info", line=f"downloading {event.url}")

    def on_download_progress(self, event: Any) -> None:
        """Not passed on: it comes many times a second."""

    def on_download_complete(self, event: Any) -> None:
        """Not passed on: the engine logs what it does with the file."""

    def on_build_step(self, event: Any) -> None:
        self._events.send("log", level="info", line=f"{event.step_name}: {event.message}")


def why_build_failed(error: Exception, log: EngineLog) -> dict[str, Any]:
    """Class, reason and details of a failed build."""
    text = plain_words(error)
    if log.span.startswith("Fetching source"):
        if re.search(r"\bpatch", text, re.IGNORECASE):
            return _failed(FailureClass.SCRIPT, _patch_reason(text, log), log.lines)
        if no_file := re.search(r'Path "(.+?)" is not a file', text):
            # What the sandbox hides is a device there. Not a fault that passes.
            return _failed(FailureClass.SCRIPT, f"source{_source(log)}: {no_file[1]} {_UNREADABLE}", log.lines)
        return _failed(FailureClass.FETCH, f"source{_source(log)}: {text}{_source_remedy(text)}", log.lines)
    if re.search(r"resolve dependencies|solve", text, re.IGNORECASE):
        failure_class, words = _solver_words(log)
        said = words if failure_class is FailureClass.FETCH else f"cannot be solved: {words}"
        return _failed(failure_class, said, log.lines)
    if "script failed" in text.lower():
        return _failed(FailureClass.SCRIPT, _script_reason(log), log.script or log.lines)
    if "package content tests" in text:
        # The engine runs these before it writes the package, whatever it is told of tests.
        return _failed(FailureClass.TEST, f"test package_contents failed: {_lacking(text)}", log.lines)
    if text.startswith("Could not open or create, or write to file") and _is_disk_full(Path()):
        text = "No space left on device"  # which the engine does not say
    if text == "No license files were copied":
        words = "about.license_file: no such file, neither beside the recipe nor in the source; mend the name"
        return _failed(FailureClass.SCRIPT, words, log.lines)
    if text == "Could not collect run exports":
        among = ", ".join(found.group(1) for line in log.lines if (found := _SOLVED.match(line)))
        words = (
            f"a package of its environments is damaged in its channel and cannot be read{among and f': one of {among}'}"
        )
        return _failed(FailureClass.FETCH, words, log.lines)
    return _failed(FailureClass.OTHER, text, log.lines)


def _is_disk_full(folder: Path) -> bool:
    """Whether less is free than what was to be packed takes. The engine has removed its unfinished package by now."""
    sizes = (path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return shutil.disk_usage(folder).free < max(sum(sizes), SCARCE)


def _patch_reason(text: str, log: EngineLog) -> str:
    """Which patch does not apply, and why."""
    missing = re.search(r"Patch file not found: (\S+)", text)
    if missing:
        return f"source.patches: {Path(missing.group(1)).name}: no such file in the recipe's folder; mend the name"
    tried = [found.group(1) for line in log.lines if (found := re.match(r"Applying patch: (\S+)", line))]
    name = f" {Path(tried[-1]).name}" if tried else ""
    words = text.removeprefix("Patch application error: ").removeprefix("error applying ")
    return f"patch{name} does not apply: {words.replace(' Hunk content:', ':')}"


def _source_remedy(text: str) -> str:
    if "checksum validation failed" in text:
        return "; if that is the source that is meant, write its hash into the recipe"
    return "; check its address and the network" if "Failed to download" in text else ""


def _source(log: EngineLog) -> str:
    """The address of the source that was fetched last, after a blank, from the engine's log; nothing if it has none."""
    found = [match.group(1) for line in log.lines if (match := re.match(r"Fetching source from [^:]+: (\S+)", line))]
    return f" {found[-1]}" if found else ""


def why_test_failed(output: list[str], log: EngineLog, name: str, requirements: dict[str, list[str]]) -> dict[str, Any]:
    """Class, reason and details of a failed test.

    Args:
        requirements: what the tested package requires, by its name: the engine solves for the package itself, from a
            channel that is gone by now.
    """
    last = plain_words(RuntimeError(output[-1])) if output else "no output"
    if "test environment" in last:
        log.specs = [new for spec in log.specs for new in requirements.get(spec.split()[0], [spec])]
        failure_class, words = _solver_words(log)
        return _failed(failure_class, f"test {name}: its environment cannot be solved: {words}", log.lines)
    lines = _of_the_script([line for text in output for line in text.splitlines() if line.strip()])
    reason = f"test {name} failed{_where(lines) or f': {last}'}"
    return _failed(FailureClass.TEST, _with_what_helps(reason), lines[-LAST_LINES:])


def _lacking(text: str) -> str:
    """What the engine's test of contents did not find: ``No match for files glob: share/a.txt`` for each, in one line."""
    found = re.findall(r"No match for \w+ glob: (.+?)(?=\s+(?:- \S+ )?No match for |$)", text)
    if not found:
        return text.split(": ", 1)[-1]
    return f"the package has no {', and no '.join(found)}; mend the build script, or the test"


def _with_what_helps(reason: str) -> str:
    words = re.sub(r"^test \w+ failed at `", "", reason)
    remedy = next((remedy for pattern, remedy in _REMEDIES if re.search(pattern, words)), None)
    return f"{reason.rstrip('.')}; {remedy}" if remedy else reason


def _script_reason(log: EngineLog) -> str:
    where = _where(list(log.script))
    return f"build script failed{where or ' before it said anything; check that the file of build.script is there'}"


def _where(lines: list[str]) -> str:
    """The command that failed, by the shell's trace, and what it said, by the last line that looks like an error."""
    lines = [_plain_folders(line) for line in lines]
    commands = [line.lstrip("+ ") for line in lines if line.startswith("+")]
    said = [line.strip() for line in lines if not line.startswith("+")]
    errors = [line for line in said if _ERROR.search(line)]
    if commands and commands[-1].endswith(_OWN_SCRIPT):
        # What the engine wrote there is in the traceback.
        follows = [after for line, after in pairwise(said) if line.startswith(f'File "{_OWN_SCRIPT}"')]
        commands = follows or commands
    place = f" at `{commands[-1][:120]}`" if commands else ""
    words = (errors or said)[-1:]
    return place + (f": {words[0][:240]}" if words else "")


def _plain_folders(line: str) -> str:
    """A line without the engine's own names of things: it puts ``$SRC_DIR`` for the beginning of other folders as well."""
    line = re.sub(r"\$SRC_DIR(_run)?_env\b", "$PREFIX", line).replace("$SRC_DIR_build_env", "$BUILD_PREFIX")
    return re.sub(r"^\S*/conda_build\.sh: line \d+: ", "", line)


def _of_the_script(lines: list[str]) -> list[str]:
    """The lines of a test's own output, without what the engine says before and after it."""
    before = ("Testing ", "✔ Successfully updated the test environment")
    start = max((i + 1 for i, line in enumerate(lines) if line.startswith(before)), default=0)
    end = next((i for i, line in enumerate(lines) if i >= start and _EPILOGUE.search(line)), len(lines))
    return lines[start:end]


def _solver_words(log: EngineLog) -> tuple[FailureClass, str]:
    """The solver's own explanation of the last solve in the log; a channel that cannot be read is no fault of the solve."""
    import rattler  # only a failure needs it: a third of a worker's start

    from wvforge_dagster.rattler_calls import wait_for

    try:
        wait_for(
            rattler.solve(
                _present(log.channels),
                log.specs,
                platforms=_platforms(log),
                virtual_packages=rattler.VirtualPackage.detect(),
            )
        )
    except Exception as error:
        return FailureClass.FETCH if is_unreachable(error) else FailureClass.SOLVE, solver_words(error, log.channels)
    said = next((line.strip() for line in reversed(log.lines) if line.strip()), "see the log")
    specs = ", ".join(log.specs)
    return FailureClass.SOLVE, f"no environment satisfies {specs}" if specs else said


def _present(channels: list[str]) -> list[str]:
    """The channels without the temporary ones of a build that is over."""
    folders = ((channel, channel.removeprefix("file://")) for channel in channels)
    return [channel for channel, folder in folders if not folder.startswith("/") or (Path(folder) / "noarch").is_dir()]


def _platforms(log: EngineLog) -> list[Any]:
    platform = next(
        (match.group(1) for line in log.lines if (match := re.match(r"\s*Platform: (\S+)", line))), "linux-64"
    )
    return [platform, "noarch"]


def _failed(failure_class: FailureClass, reason: str, lines: Any) -> dict[str, Any]:
    return {"failure_class": failure_class.value, "reason": reason, "details": "\n".join(lines)}
