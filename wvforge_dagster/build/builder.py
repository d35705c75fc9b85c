"""Building and testing one output of a package variant: the parent's side of the child processes.

Each build has a folder of its own, so that builds never share an output folder, and nothing but its package leaves it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from wvforge_dagster.build.amend import Amendment, amend
from wvforge_dagster.build.inspect import (
    RENDERED,
    Environments,
    commits_of,
    environments_of,
    inspect_package,
    read_package,
    rendered_recipe,
)
from wvforge_dagster.build.process import ChildLimits, ChildResult, run_child
from wvforge_dagster.build.sandbox import Sandbox, folders_of
from wvforge_dagster.build.variant_files import own_variant_files
from wvforge_dagster.core.artifact import Artifact, Record
from wvforge_dagster.core.digest import digest_files
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.package_file import PackageFile
from wvforge_dagster.core.recipe import OWN_VARIANT_FILES, Output

OnLog = Callable[[str, str], None]
"""Called for each line of a build's log with its level (``info``, ``warn``, ``error``) and text."""


class BuildFailed(Exception):
    """A build or a test run that did not come to its end. Carries the `Failure`."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


@dataclass(frozen=True)
class BuildPlace:
    """Where and with what a build runs.

    Attributes:
        folder: the build's own folder; made, and removed when the caller is done with the package.
        cache: the engine's package cache, shared by builds (the engine locks it).
        channels: what it solves against, in order of priority.
        variant_files: paths of the forge's variant files.
        sandbox: what it runs in; None for no sandbox. What it reads and writes by the other attributes need not be named there.
    """

    folder: Path
    cache: Path
    channels: tuple[str, ...]
    variant_files: tuple[Path, ...]
    platform: str
    limits: ChildLimits
    sandbox: Sandbox | None = None


@dataclass(frozen=True)
class BuildRequest:
    """One output to build.

    Attributes:
        recipe: path of the recipe.yaml.
        recipe_sha256: of the recipe.yaml that `output` was rendered from.
        number: a build number to take instead of the recipe's; None for the recipe's.
        string_suffix: appended to a ``build.string`` that lacks the number.
        commits: that its git sources are to be, in order.
        network: whether the script may use the network.
    """

    recipe: Path
    recipe_sha256: str
    output: Output
    record: Record
    number: int | None = None
    string_suffix: str | None = None
    commits: tuple[str, ...] = ()
    network: bool = True


@dataclass(frozen=True)
class BuiltPackage:
    """A package that has been built and not yet staged. `seconds` by phase: render, solve_and_build, script."""

    file: PackageFile
    artifact: Artifact
    environments: Environments
    seconds: Mapping[str, float] = field(hash=False)


@dataclass(frozen=True)
class TestOutcome:
    """How one test of a package ended; `failure` is None if it passed."""

    name: str
    seconds: float
    failure: Failure | None


def build_output(request: BuildRequest, place: BuildPlace, on_log: OnLog) -> BuiltPackage:
    """Build one output.

    Raises:
        BuildFailed: with the reason, if no package came out.
    """
    sources = _local_sources(request, place.sandbox)
    recipe = _private_copy(request, place.folder)
    package_folder = place.folder / "out"
    answers: list[dict[str, Any]] = []
    result = run_worker(
        "wvforge_dagster.build.build_worker",
        {
            "recipe": str(recipe),
            "output": request.output.name,
            "variant": dict(request.output.variant),
            "variants": [str(path) for path in (*place.variant_files, *own_variant_files(recipe))],
            "platform": place.platform,
            "channels": list(place.channels),
            "output_dir": str(package_folder),
            "package_format": "conda",
            "network": request.network,
        },
        place,
        (request.recipe.parent, *sources),
        on_log,
        answers.append,
    )
    answer = only_answer(answers, result)
    if answer.get("event") != "built":
        raise BuildFailed(failure_of(answer, result, place.limits, "the build"))
    path = Path(answer["path"])
    if path.resolve() != package_folder.resolve() / path.parent.name / path.name:
        reason = "what the build left as its package is a link, or lies elsewhere"
        raise BuildFailed(Failure(FailureClass.OTHER, reason))
    file = PackageFile.read(path, path.parent.name)
    rendered = rendered_recipe(read_package(path, (RENDERED,))[RENDERED], str(path))
    _check_commits(request, commits_of(rendered))
    return BuiltPackage(file, inspect_package(file), environments_of(rendered), answer["seconds"])


def _check_commits(request: BuildRequest, built: tuple[str, ...]) -> None:
    """A tag that was moved between the question and the build must not get in under the old commit's record."""
    for wanted, commit in zip(request.commits, built, strict=False):
        if not commit.startswith(wanted):
            reason = f"{request.recipe}: a git source is commit {commit[:12]} now, not {wanted[:12]}; build it again"
            raise BuildFailed(Failure(FailureClass.INTERRUPTED, reason))


def run_package_tests(
    file: PackageFile, tests: list[dict[str, Any]], place: BuildPlace, on_log: OnLog
) -> tuple[TestOutcome, ...]:
    """Run a package's own tests, all of them, in order.

    Raises:
        BuildFailed: if the child was ended (time, memory, interruption) before all had run.
    """
    answers, result = run_tests(file, tests, place, on_log, look=False)
    return outcomes_of(answers, tests, place, result)


def run_tests(
    file: PackageFile, tests: list[dict[str, Any]], place: BuildPlace, on_log: OnLog, *, look: bool
) -> tuple[list[dict[str, Any]], ChildResult]:
    """What the worker of the tests says: of the package first, if it is to `look` into it, and of each test."""
    answers: list[dict[str, Any]] = []
    request = {"package": str(file.path), "channels": list(place.channels), "tests": tests, "look": look}
    result = run_worker("wvforge_dagster.build.test_worker", request, place, (file.path,), on_log, answers.append)
    return answers, result


def outcomes_of(
    answers: list[dict[str, Any]], tests: list[dict[str, Any]], place: BuildPlace, result: ChildResult
) -> tuple[TestOutcome, ...]:
    """How each test ended.

    Raises:
        BuildFailed: if not every one was answered for, once, by a worker that ended as it should.
    """
    if len(answers) != len(tests) or result.exit_status or any(answer["event"] != "tested" for answer in answers):
        raise BuildFailed(failure_of({}, result, place.limits, "the test"))
    return tuple(
        TestOutcome(
            answer["name"],
            answer["seconds"],
            None if answer["passed"] else failure_of({**answer, "event": "failed"}, result, place.limits, "the test"),
        )
        for answer in answers
    )


def only_answer(answers: list[dict[str, Any]], result: ChildResult) -> dict[str, Any]:
    """What a worker said, if it said one thing and ended as it should; else nothing."""
    return answers[0] if len(answers) == 1 and result.exit_status == 0 else {}


def remove_folder(folder: Path) -> None:
    """Remove a build's folder, also where a script left folders without permissions. What cannot be removed stays."""
    for current, names, _ in os.walk(folder):
        for path in (current, *(f"{current}/{name}" for name in names)):
            with suppress(OSError):
                if not Path(path).is_symlink():
                    Path(path).chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def run_worker(
    module: str,
    request: Mapping[str, Any],
    place: BuildPlace,
    reads: tuple[Path, ...],
    on_log: OnLog,
    on_answer: Callable[[dict[str, Any]], object],
) -> ChildResult:
    """Run a child process of this package in a build's folder and sandbox.

    Args:
        reads: files and folders that it may read besides.
        on_answer: called for each event that is no line of a log.
    """

    def on_event(event: dict[str, Any]) -> None:
        if event["event"] == "log":
            on_log(event["level"], event["line"])
        else:
            on_answer(event)

    sandbox = place.sandbox
    if sandbox is not None:
        place.cache.mkdir(parents=True, exist_ok=True)
        reads = (*sandbox.readable, *reads, *place.variant_files, *folders_of(place.channels))
        sandbox = replace(sandbox, readable=reads, writable=(*sandbox.writable, place.cache))
    return run_child(
        module,
        request,
        on_event,
        limits=place.limits,
        folder=place.folder,
        environment={"RATTLER_CACHE_DIR": str(place.cache)},
        sandbox=sandbox,
    )


def copy_recipe_folder(source: Path, target: Path) -> None:
    """Copy what belongs to a recipe: without caches, and without the folder that is copied into, if it lies in `source`."""

    def left_out(current: str, names: list[str]) -> set[str]:
        return {name for name in names if name in ("__pycache__", ".git") or Path(current, name) in target.parents}

    shutil.copytree(source, target, symlinks=True, ignore=left_out)


def _local_sources(request: BuildRequest, sandbox: Sandbox | None) -> tuple[Path, ...]:
    """The files and folders of this machine that the recipe's sources name.

    Raises:
        BuildFailed: if the sandbox keeps one of them from builds.
    """
    places = []
    for source in request.output.rendered.get("source") or []:
        named = source.get("path") or source.get("git") or source.get("url") or ""
        for place in [named] if isinstance(named, str) else named:
            if "://" not in place:
                places.append(request.recipe.parent / place)
            places += folders_of([place])
    for path in places:
        if (
            sandbox is not None
            and path.exists()
            and sandbox.keeps(path)
            and not _is_in_kept_recipe(path, request, sandbox)
        ):
            reason = f"{request.recipe}: source: {path.resolve()} is kept from builds; name another file or folder"
            raise BuildFailed(Failure(FailureClass.RENDER, reason))
    return tuple(places)


def _is_in_kept_recipe(path: Path, request: BuildRequest, sandbox: Sandbox) -> bool:
    """Whether it is a file of a recipe that lies in the forge's output, as that of `retest` does."""
    own = request.recipe.parent
    return sandbox.keeps(own) and own.resolve() in path.resolve().parents


def _private_copy(request: BuildRequest, folder: Path) -> Path:
    """A copy of the recipe's folder with the amended recipe: what is changed while it is built does not get in."""
    source = request.recipe.parent
    target = folder / "recipe"
    copy_recipe_folder(source, target)
    amendment = Amendment(request.record.to_extra(), request.number, request.string_suffix, source, request.commits)
    path = target / request.recipe.name
    content = path.read_bytes()
    files = digest_files(target, without=(path.name, *OWN_VARIANT_FILES))
    if hashlib.sha256(content).hexdigest() != request.recipe_sha256 or files != request.record.parts["files"]:
        # The record would not be that of what is built.
        reason = f"{request.recipe.parent}: was changed after it was read; build it again"
        raise BuildFailed(Failure(FailureClass.INTERRUPTED, reason))
    text = content.decode("utf-8")
    path.unlink()
    try:
        path.write_text(amend(text, amendment), encoding="utf-8")
    except (yaml.YAMLError, ValueError) as error:
        words = " ".join(str(error).split())
        raise BuildFailed(Failure(FailureClass.RENDER, f"{request.recipe}: is not plain YAML: {words}")) from None
    return path


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
    return Failure(FailureClass.OTHER, f"{what}'s process died: {last[0][:300]}", details=result.stderr)


def _from_answer(answer: Mapping[str, Any]) -> Failure:
    return Failure(FailureClass(answer["failure_class"]), answer["reason"], details=answer["details"])
