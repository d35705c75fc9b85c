"""Building and testing one output of a package variant: the parent's side of the child processes.

Each build has a folder of its own, so that builds never share an output folder, and nothing but its package leaves it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from wvforge_dagster.build.amend import Amendment, amend
from wvforge_dagster.build.child_failure import failure_of
from wvforge_dagster.build.compiler_cache import CacheUse, CompilerCache
from wvforge_dagster.build.engine_account import RENDERED, rendered_recipe
from wvforge_dagster.build.inspect import (
    Environments,
    commits_of,
    environments_of,
    inspect_package,
    read_package,
)
from wvforge_dagster.build.process import ChildLimits, ChildResult, run_child
from wvforge_dagster.build.sandbox import Sandbox, folders_of
from wvforge_dagster.build.variant_files import own_variant_files
from wvforge_dagster.core.architectures import NOTHING_DECLARED, Architectures
from wvforge_dagster.core.artifact import Artifact, Record
from wvforge_dagster.core.digest import digest_files
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.package_file import PackageFile
from wvforge_dagster.core.recipe import OWN_VARIANT_FILES, Output

LONGEST_PREFIX = 255
"""Characters that the engine pads a host environment's path to."""

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
        architectures: what forge.yaml declares.
        compiler_cache: that its compilers use; None for none.
        sandbox: what it runs in; None for no sandbox. What it reads and writes by the other attributes need not be named there.
    """

    folder: Path
    cache: Path
    channels: tuple[str, ...]
    variant_files: tuple[Path, ...]
    platform: str
    limits: ChildLimits
    sandbox: Sandbox | None = None
    architectures: Architectures = NOTHING_DECLARED
    compiler_cache: CompilerCache | None = None


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
        variant: its `core.siblings.whole_variant`; None where it pins no sibling, and that is `output.variant`.
    """

    recipe: Path
    recipe_sha256: str
    output: Output
    record: Record
    number: int | None = None
    string_suffix: str | None = None
    commits: tuple[str, ...] = ()
    network: bool = True
    variant: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True)
class BuiltPackage:
    """A package that has been built and not yet staged.

    Attributes:
        seconds: by phase: render, solve_and_build, script.
        memory: most bytes that the build held at once, with all its processes.
        cache_use: what the compiler cache was good for; None if there was none.
    """

    file: PackageFile
    artifact: Artifact
    environments: Environments
    seconds: Mapping[str, float] = field(hash=False)
    memory: int = 0
    cache_use: CacheUse | None = None


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
    package_folder = place.folder / "out"
    _check_prefix(request, package_folder)
    sources = _local_sources(request, place.sandbox)
    recipe = _private_copy(request, place.folder)
    answers: list[dict[str, Any]] = []
    with _compiler_cache(place) as cache:
        result = run_worker(
            "wvforge_dagster.build.build_worker",
            {
                "recipe": str(recipe),
                "output": request.output.name,
                "variant": dict(request.output.variant if request.variant is None else request.variant),
                "variants": [str(path) for path in (*place.variant_files, *own_variant_files(recipe))],
                "platform": place.platform,
                "architectures": place.architectures.to_json(),
                "channels": list(place.channels),
                "output_dir": str(package_folder),
                "package_format": "conda",
                "network": request.network,
                "cores": place.limits.cores,
                **cache,
            },
            place,
            (request.recipe.parent, *sources),
            on_log,
            answers.append,
            writes=(place.compiler_cache.folder,) if place.compiler_cache else (),
        )
    answer = only_answer(answers, result)
    if answer.get("event") != "built":
        failure = failure_of(answer, result, place.limits, "the build")
        # What the engine says of the copy is true of the recipe's own files.
        reason = failure.reason.replace(str(recipe.parent), str(request.recipe.parent))
        raise BuildFailed(replace(failure, reason=reason))
    path = Path(answer["path"])
    if path.resolve() != package_folder.resolve() / path.parent.name / path.name:
        reason = "what the build left as its package is a link, or lies elsewhere"
        raise BuildFailed(Failure(FailureClass.OTHER, reason))
    file = PackageFile.read(path, path.parent.name)
    rendered = rendered_recipe(read_package(path, (RENDERED,))[RENDERED], str(path))
    _check_commits(request, commits_of(rendered))
    use = CacheUse(**answer["cache_use"]) if place.compiler_cache else None
    environments = environments_of(rendered)
    return BuiltPackage(file, inspect_package(file), environments, answer["seconds"], result.memory, use)


@contextmanager
def _compiler_cache(place: BuildPlace) -> Iterator[dict[str, Any]]:
    """What the worker is told of the compiler cache."""
    cache = place.compiler_cache
    if cache is None:
        yield {"cache_program": "", "cache": {}}
        return
    with cache.variables(private_tmp=place.sandbox is not None) as variables:
        yield {"cache_program": str(cache.program), "cache": variables}


def _check_prefix(request: BuildRequest, package_folder: Path) -> None:
    """The engine pads the host environment's path to 255 characters, and breaks off over one that is longer."""
    name = request.output.name
    length = len(str(package_folder.resolve() / "bld" / f"rattler-build_{name}" / "host_env"))
    if length > LONGEST_PREFIX:
        reason = (
            f"the folder that {name} is built in has {length} characters, of which {LONGEST_PREFIX} are possible; "
            "give the package a shorter name, or move the forge (or output in forge.yaml) to a shorter place"
        )
        raise BuildFailed(Failure(FailureClass.OTHER, reason))


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
    writes: tuple[Path, ...] = (),
) -> ChildResult:
    """Run a child process of this package in a build's folder and sandbox.

    Args:
        reads: files and folders that it may read besides.
        on_answer: called for each event that is no line of a log.
        writes: folders that it may write to besides.
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
        sandbox = replace(sandbox, readable=reads, writable=(*sandbox.writable, place.cache, *writes))
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
    # Root can copy what its builds, in a sandbox, could not read.
    for current, _, names in os.walk(target):
        Path(current).chmod(0o700)
        for name in names:
            path = Path(current, name)
            if not path.is_symlink() and not path.stat().st_mode & stat.S_IRUSR:
                path.chmod(path.stat().st_mode | stat.S_IRUSR)


def _local_sources(request: BuildRequest, sandbox: Sandbox | None) -> tuple[Path, ...]:
    """The files and folders of this machine that the recipe's sources name.

    Raises:
        BuildFailed: if the sandbox keeps one of them from builds.
    """
    places = []
    for source in request.output.sources:
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
