"""Assemble an upstream channel from a manifest. A second call does nothing, an interrupted one goes on."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.upstream.engine import index
from wvforge_dagster.upstream.fetch import UNFINISHED, fetch
from wvforge_dagster.upstream.interpreters import NoInterpreter, find_interpreter
from wvforge_dagster.upstream.items import InterpreterItem, PackageItem, Plan, SourceItem, plan
from wvforge_dagster.upstream.making import make
from wvforge_dagster.upstream.manifest import load_manifest
from wvforge_dagster.upstream.own_files import OwnFiles, packages_in
from wvforge_dagster.upstream.records import Record, Records, write_json
from wvforge_dagster.upstream.report import EventKind, MissingPackage, UpstreamEvent, UpstreamReport
from wvforge_dagster.upstream.tags import machine_subdir

_WORKERS = 2
OnEvent = Callable[[UpstreamEvent], None]


def assemble(manifest: Path, channel: Path, sources: Path, work: Path, on_event: OnEvent) -> UpstreamReport:
    """Bring a channel folder and a folder of source archives to what a manifest says.

    Only what is not there yet, or was made of another entry, is fetched and made. Files appear under their
    names when they are complete. Two calls at once are safe: the second waits. Packages that this machine
    cannot give are in the report and in ``<channel>/missing.json``, a list of objects with ``name``,
    ``spec``, ``reason``.

    Args:
        manifest: the manifest file.
        channel: folder of the channel. Packages that were made in it and that the manifest no longer names are
            removed; packages of others are left alone and indexed.
        sources: folder for the source archives that the manifest lists; other files in it are left alone.
        work: folder for downloads, records and unfinished work, kept between calls.
        on_event: called with each step, from several threads but never two at a time.

    Raises:
        ForgeError: the manifest is wrong, the machine is of an unknown kind or has none of the interpreters (then nothing
            is fetched), the channel holds packages and none that were made here, or something could not be fetched or
            made. What was finished before stays.
    """
    wanted = plan(load_manifest(manifest), machine_subdir())
    work = work.absolute()
    channel = channel.absolute()
    work.mkdir(parents=True, exist_ok=True)
    assembly = _Assembly(wanted, manifest, channel, sources.absolute(), work, on_event)
    with _alone(work / "lock", assembly):
        return assembly.run()


@contextmanager
def _alone(path: Path, assembly: _Assembly) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            assembly.tell("waiting", str(path), "another process assembles this channel")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


class _Assembly:
    def __init__(
        self, wanted: Plan, manifest: Path, channel: Path, sources: Path, work: Path, on_event: OnEvent
    ) -> None:
        self._plan = wanted
        self._manifest = manifest
        self._channel = channel
        self._sources = sources
        self._work = work
        self._on_event = on_event
        self._records = Records(work / "records")
        self._lock = Lock()
        self._done = 0
        self._made: list[str] = []
        self._kept: list[str] = []
        self._files: set[str] = set()
        self._missing: list[MissingPackage] = []

    def tell(self, kind: EventKind, name: str, detail: str = "") -> None:
        total = len(self._plan.packages) + len(self._plan.sources)
        with self._lock:
            self._done += kind in ("made", "kept", "missing")
            self._on_event(UpstreamEvent(kind, name, detail, self._done, total))

    def run(self) -> UpstreamReport:
        own = OwnFiles(self._channel, self._work, self._records)
        self._clear_leftovers(own)
        todo = [item for item in self._plan.packages if not self._keep(item, own)]
        _refuse_without_interpreters(self._plan, todo, self._manifest)
        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="upstream") as pool:
            try:
                jobs = [pool.submit(self._make, item, own) for item in todo]
                jobs += [pool.submit(self._fetch, source) for source in self._plan.sources]
                for job in as_completed(jobs):
                    job.result()
            except BaseException:
                # Also for an interrupt from the keyboard: what has not begun is not begun.
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        missing = tuple(sorted((*self._missing, *self._plan.missing), key=lambda m: (m.name, m.spec)))
        self._finish(missing, own)
        return UpstreamReport(tuple(sorted(self._made)), tuple(sorted(self._kept)), missing)

    def _clear_leftovers(self, own: OwnFiles) -> None:
        for pattern in ("making-*", f"downloads/{UNFINISHED}*"):
            for leftover in self._work.glob(pattern):
                shutil.rmtree(leftover, ignore_errors=True)
        for leftover in self._sources.glob(f"{UNFINISHED}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        for file in own.files:
            _unfinished(self._channel / file).unlink(missing_ok=True)

    def _keep(self, item: PackageItem, own: OwnFiles) -> bool:
        record = self._records.find(item.key, item.digest, self._channel)
        if record is None or record.file not in own.files:
            return False
        self._files.add(record.file)
        self._kept.append(Path(record.file).name)
        self.tell("kept", Path(record.file).name)
        return True

    def _make(self, item: PackageItem, own: OwnFiles) -> None:
        self.tell("making", item.key)
        with tempfile.TemporaryDirectory(prefix="making-", dir=self._work) as folder:
            made = make(item, self._work / "downloads", Path(folder), machine_subdir())
            if isinstance(made, MissingPackage):
                self._missing.append(made)
                self.tell("missing", made.name, f"{made.spec}: {made.reason}")
                return
            file = f"{made.subdir}/{made.file.name}"
            target = self._channel / file
            own.add(file)
            target.parent.mkdir(parents=True, exist_ok=True)
            made.file.chmod(0o644)
            _move(made.file, target)
        self._records.write(item.key, Record(item.digest, file, target.stat().st_size))
        self._files.add(file)
        self._made.append(target.name)
        self.tell("made", target.name)

    def _fetch(self, source: SourceItem) -> None:
        there = (self._sources / source.file).exists()
        if not there:
            self.tell("fetching", source.file)
        before = _identity(self._sources / source.file)
        path = fetch(source.entry, source.file, self._sources)
        fetched = _identity(path) != before
        (self._made if fetched else self._kept).append(source.file)
        self.tell("made" if fetched else "kept", source.file)

    def _finish(self, missing: tuple[MissingPackage, ...], own: OwnFiles) -> None:
        self._records.forget_all_but(frozenset(item.key for item in self._plan.packages))
        for file in own.keep_only(frozenset(self._files)):
            self.tell("removed", Path(file).name)
        write_json(self._channel / "missing.json", [one.as_json() for one in missing])
        state = self._state()
        mark = self._work / "indexed"
        if self._made_packages() or not mark.is_file() or mark.read_text() != state or not self._has_index():
            self.tell("indexing", self._channel.name)
            mark.unlink(missing_ok=True)
            for package in packages_in(self._channel):
                # py-rattler would end in a panic that does not name it.
                if package.suffix == ".conda" and not zipfile.is_zipfile(package):
                    raise ForgeError("is no package that can be read", where=str(package), remedy="remove it")
            index(self._channel, self._work)
            mark.write_text(state)

    def _made_packages(self) -> bool:
        return any(name.endswith(".conda") for name in self._made)

    def _has_index(self) -> bool:
        return (self._channel / "noarch" / "repodata.json").is_file()

    def _state(self) -> str:
        there = sorted(packages_in(self._channel))
        sizes = [f"{file.relative_to(self._channel).as_posix()} {file.stat().st_size}" for file in there]
        return hashlib.sha256("\n".join([str(self._channel), *sizes]).encode()).hexdigest()


def _refuse_without_interpreters(wanted: Plan, todo: Sequence[PackageItem], manifest: Path) -> None:
    """Say before anything is fetched that no column can be built, because the machine has none of the interpreters."""
    interpreters = [item for item in wanted.packages if isinstance(item, InterpreterItem)]
    reasons = []
    for item in interpreters:
        found = find_interpreter(item.version) if item in todo else None
        if not isinstance(found, NoInterpreter):
            return
        reasons.append(found.reason)
    if reasons:
        raise ForgeError(
            "; ".join(reasons),
            where=f"{manifest}: interpreters",
            remedy="install one of them with its C headers: with pyenv or uv, or as the system's package",
        )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _move(file: Path, target: Path) -> None:
    # The work folder may be on another file system than the channel.
    temporary = _unfinished(target)
    shutil.move(file, temporary)
    temporary.replace(target)


def _unfinished(target: Path) -> Path:
    return target.with_name(f".{target.name}.tmp")
