"""What must hold of a forge that is built, whatever happened to the builds before. Each check returns what does not."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
from servers.folder_reader import read_over_http

from integration.commands import run, statuses
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.state import State, Status
from wvforge_dagster.orchestration.evidence import derive_statuses, gather
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk, open_forge
from wvforge_dagster.orchestration.keys import package_key, upload_key
from wvforge_dagster.settings import Settings

ENDINGS = (".conda", ".tar.bz2")
FILES_OF_A_CHANNEL = re.compile(
    r"\.wvforge\.lock|index\.html"
    r"|[^/]+/(?:[^/.][^/]*(?:\.conda|\.tar\.bz2)(?:\.(?:wvforge|cdx|intoto)\.json)?"
    r"|repodata\.json(?:\.zst)?|repodata_shards\.msgpack\.zst|run_exports\.json(?:\.zst)?"
    r"|shards/[0-9a-f]{64}\.msgpack\.zst)"
)


@dataclass
class History:
    """What lay in a forge after each of several builds, taken while nothing ran."""

    packages: list[dict[str, str]] = field(default_factory=list)
    logs: list[frozenset[Path]] = field(default_factory=list)

    def take(self, forge: Path) -> None:
        """Take down what is there now."""
        self.packages.append(_files(forge / "output" / "staging"))
        self.logs.append(_logs(forge))


@dataclass(frozen=True)
class Built:
    """A forge after its last build."""

    forge: ForgeOnDisk
    statuses: tuple[Status, ...]
    history: History

    @property
    def channels(self) -> tuple[Path, ...]:
        targets = (channel for _, channel in self.forge.targets)
        return tuple(channel.path for channel in (self.forge.staging, *targets) if isinstance(channel, FolderChannel))


def check(root: Path, history: History) -> dict[str, list[str]]:
    """What does not hold, by what should."""
    forge = open_forge(Settings(forge=root, environ={}))
    built = Built(forge, tuple(derive_statuses(forge).values()), history)
    return {what: list(find(built)) for what, find in CHECKS.items()}


def _unpublished(built: Built) -> Iterator[str]:
    for (package, partition), row in statuses(built.forge.root).items():
        if row["state"] not in ("published", "skipped"):
            yield f"{package}[{partition}] is {row['state']}: {row['reason']}"


def _leftovers(built: Built) -> Iterator[str]:
    for channel in built.channels:
        for path in channel.rglob("*"):
            name = path.relative_to(channel).as_posix()
            if not path.is_dir() and not FILES_OF_A_CHANNEL.fullmatch(name):
                yield f"{channel.name}: {name}"


def _work(built: Built) -> Iterator[str]:
    work = built.forge.output / "work"
    for folder in {path.relative_to(work).parts[:2] for path in work.rglob("*") if not path.is_dir()}:
        if folder[0] != "upstream":
            yield "/".join(folder)


def _untrue_indexes(built: Built) -> Iterator[str]:
    for channel in built.channels:
        there = {name: (sha256, (channel / name).stat().st_size) for name, sha256 in _files(channel).items()}
        names = [_name_of(Path(name).name) for name in there]
        forms = {
            "repodata.json": _listed(channel),
            "repodata.json.zst": read_over_http(channel, names, shards=False),
            "the shards": read_over_http(channel, names),
        }
        for form, listed in forms.items():
            for name in sorted(there.keys() | listed.keys()):
                if there.get(name) != listed.get(name):
                    yield f"{channel.name}: {name} is {there.get(name)}, and {form} says {listed.get(name)}"


def _built_twice(built: Built) -> Iterator[str]:
    """By file, by number, and by log: what lay in staging after a build was not built by a later one; tests may run again."""
    staged = _files(built.forge.staging.path)
    known: set[str] = set()
    for status in built.statuses:
        files = {f"{artifact.subdir}/{artifact.filename}" for artifact in status.artifacts}
        known |= files
        for artifact in status.artifacts:
            wanted = artifact.record.recipe_number if artifact.record else 0
            if artifact.build_number != wanted:
                yield f"{artifact.filename} has the number {artifact.build_number}, and its recipe {wanted}"
        builds = _builds(built.forge.log_folder(status.id), status.artifacts)
        if status.artifacts and not builds:
            yield f"{status.id} has no log that says it was built: what says that now?"
        for after, packages in enumerate(built.history.packages):
            if files and files <= packages.keys():
                for log in sorted(builds - built.history.logs[after]):
                    yield f"{status.id} lay in staging after build {after + 1}, and was built again: {log.name}"
                break
    for name in sorted(staged.keys() - known):
        yield f"{name} is no package variant's"
    for after, packages in enumerate(built.history.packages):
        for name, sha256 in packages.items():
            if staged.get(name) != sha256:
                yield f"{name} is not what it was after build {after + 1}"


def _dagster(built: Built) -> Iterator[str]:
    home = built.forge.output / "dagster"
    for path in sorted(home.rglob("*.db")):
        with closing(sqlite3.connect(path)) as storage:
            (said,) = storage.execute("PRAGMA integrity_check").fetchone()
            if said != "ok":
                yield f"{path.name}: {said}"
    with _instance(home) as instance:
        for run_ in instance.get_runs():
            instance.all_logs(run_.run_id)
            if not run_.is_finished:
                yield f"run {run_.run_id} is {run_.status.value}"
        for status in built.statuses:
            if status.state is State.PUBLISHED:
                for key in (package_key(status.id.package), upload_key(status.id.package)):
                    if not _is_recorded(instance, key, status.id.partition):
                        yield f"Dagster does not know {key.to_user_string()} [{status.id.partition}]"


def _more_to_build(built: Built) -> Iterator[str]:
    before = _logs(built.forge.root)
    again = run("wvforge", "--forge", str(built.forge.root), "build", seconds=900)
    if again.returncode != 0 or "making " in again.stdout or _logs(built.forge.root) != before:
        yield again.stdout[-1500:]


CHECKS: dict[str, Callable[[Built], Iterator[str]]] = {
    "every package variant is published": _unpublished,
    "nothing was built twice": _built_twice,
    "the indexes list exactly the packages, truly": _untrue_indexes,
    "nothing unfinished lies in the channels": _leftovers,
    "nothing of a build lies in its work folder": _work,
    "Dagster's storage is whole, knows all and no run is open": _dagster,
    "one more build has nothing to do": _more_to_build,
}


def unrecorded(root: Path) -> set[str]:
    """The files of the forge's packages that Dagster has no materialization of."""
    artifacts = gather(open_forge(Settings(forge=root, environ={}))).artifacts
    with _instance(root / "output" / "dagster") as instance:
        return {
            artifact.filename
            for artifact in artifacts
            if artifact.record is not None
            and not _is_recorded(instance, package_key(artifact.record.package), artifact.record.partition)
        }


def unlisted(channel: Path) -> set[str]:
    """The packages that lie in a channel folder and are not in its repodata.json."""
    there = {f"{path.parent.name}/{path.name}" for path in channel.glob("*/*.conda")}
    return there - _listed(channel).keys()


@contextmanager
def _instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def _is_recorded(instance: dg.DagsterInstance, key: dg.AssetKey, partition: str) -> bool:
    if partition:
        return partition in instance.get_materialized_partitions(key)
    return instance.get_latest_materialization_event(key) is not None


def _files(channel: Path) -> dict[str, str]:
    """The sha256 of each package in a channel folder, listed or not."""
    return {
        f"{path.parent.name}/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()
        for path in channel.glob("*/*")
        if path.name.endswith(ENDINGS)
    }


def _listed(channel: Path) -> dict[str, tuple[str, int]]:
    return {
        f"{index.parent.name}/{name}": (entry["sha256"], entry["size"])
        for index in channel.glob("*/repodata.json")
        for section in ("packages", "packages.conda")
        for name, entry in json.loads(index.read_text(encoding="utf-8")).get(section, {}).items()
    }


def _builds(folder: Path, artifacts: Iterable[Artifact]) -> set[Path]:
    """The logs of builds of these packages, also of most that did not end.

    Where only tests ran, the engine built a package of another name.
    """
    names = "|".join(re.escape(f"{artifact.name}-{artifact.version}-") for artifact in artifacts)
    said = re.compile(rf"^(?:Finalized run dependencies \(|Archive written to '.*/)(?:{names})", re.MULTILINE)
    return {log for log in folder.glob("*.log") if names and said.search(log.read_text(encoding="utf-8"))}


def _logs(forge: Path) -> frozenset[Path]:
    return frozenset((forge / "output" / "logs").glob("*/*/*.log"))


def _name_of(filename: str) -> str:
    return filename.rsplit("-", 2)[0]
