"""The nightly run: asks everything outside anew, and builds what that makes necessary.

For every package variant that is up to date its environments are solved again, from the specs that the engine kept in the
package, and compared with what it was built in. What is missing, stale, or failed for a reason that may have passed is built as
by ``wvforge build``.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from wvforge_dagster.build.engine_account import RENDERED, rendered_recipe
from wvforge_dagster.build.inspect import INDEX, Environments, environments_of
from wvforge_dagster.build.solve import Environment, Solution, allows, solve_all
from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.digest import digest
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.locked import Difference, Locked, differences, that_matter
from wvforge_dagster.core.state import UP_TO_DATE, Status
from wvforge_dagster.orchestration.build_forge import Wanted
from wvforge_dagster.orchestration.column_files import column_artifacts
from wvforge_dagster.orchestration.evidence import channel_entries, derive_statuses
from wvforge_dagster.orchestration.failures import read_failures
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.index_only import write_index
from wvforge_dagster.orchestration.plan import make_plan, select
from wvforge_dagster.orchestration.refreshing import refresh_everything


@dataclass(frozen=True)
class Night:
    """What a nightly run found.

    Attributes:
        rebuild: package variants whose environments changed in a way that matters, and how.
        unchanged: those whose environments were solved anew and are left, with what differs without mattering.
        to_make: what is to be made anyway, and why.
        warnings: what could not be asked or solved.
        began: when the run began, by `time.monotonic`.
    """

    rebuild: Mapping[VariantId, str]
    unchanged: Mapping[VariantId, tuple[Difference, ...]]
    to_make: Mapping[VariantId, str]
    warnings: tuple[str, ...] = ()
    began: float = field(default_factory=time.monotonic, compare=False)

    def lines(self) -> Iterable[str]:
        """For people: what is done, and why; and what is not."""
        for warning in self.warnings:
            yield f"warning: {warning}"
        for identity, reason in self.rebuild.items():
            yield f"rebuild {identity}: {reason}"
        for identity, reason in self.to_make.items():
            yield f"make {identity}: {reason}"
        for identity, found in self.unchanged.items():
            newer = f" that matters ({len(found)} packages of its environments differ)" if found else ""
            yield f"no change {identity}: its environments were solved anew, with no change{newer}"


@dataclass(frozen=True)
class _Lock:
    """How a package was solved, and what the package itself requires.

    Attributes:
        channels: what it is solved against now.
        platform: what it is solved for.
    """

    environments: Environments
    depends: tuple[str, ...]
    channels: tuple[str, ...]
    platform: str


def look(forge: ForgeOnDisk) -> Night:
    """Ask and solve everything anew. Builds nothing.

    Raises:
        ForgeError: if solving was ended early.
    """
    began = time.monotonic()
    warnings = [str(fault) for fault in refresh_everything(forge).values()]
    statuses = derive_statuses(forge)
    work = forge.output / "work"
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="nightly-", dir=work) as folder:
        locks: list[tuple[VariantId, _Lock]] = []
        for status in statuses.values():
            try:
                locks += [(status.id, lock) for lock in _locks_of(forge, status, statuses, Path(folder))]
            except ForgeError as fault:
                warnings.append(str(fault))
        solved = _solve_again(forge, locks)
    rebuild: dict[VariantId, str] = {}
    unchanged: dict[VariantId, tuple[Difference, ...]] = {}
    for identity, lock in locks:
        found: list[Difference] = []
        for section, specs in lock.environments.specs.items():
            solution = solved[_environment(forge, lock, specs)]
            if solution.words:
                warnings.append(f"{identity}: its {section} environment cannot be solved any more: {solution.words}")
                continue
            old, new = _by_name(lock.environments.sections.get(section, ())), _by_name(solution.packages)
            found += differences(section, old, new, without=forge.catalog.provider.keys())
        important = that_matter(found, frozenset(forge.forge.rebuild_on), partial(allows, lock.depends))
        if important:
            rebuild[identity] = "; ".join(str(item) for item in important[:3]) + _more(important)
        else:
            unchanged[identity] = (*unchanged.get(identity, ()), *found)
    return Night(
        rebuild,
        {identity: found for identity, found in unchanged.items() if identity not in rebuild},
        _to_make(forge, statuses),
        tuple(dict.fromkeys(warnings)),
        began,
    )


def _more(found: tuple[Difference, ...]) -> str:
    return f" and {len(found) - 3} more" if len(found) > 3 else ""


def _to_make(forge: ForgeOnDisk, statuses: Mapping[VariantId, Status]) -> Mapping[VariantId, str]:
    everything = select(forge.catalog, (), (), ())
    return make_plan(forge.catalog, statuses, read_failures(forge), everything).reasons


def _solve_again(forge: ForgeOnDisk, locks: Iterable[tuple[VariantId, _Lock]]) -> Mapping[Environment, Solution]:
    environments = (_environment(forge, lock, specs) for _, lock in locks for specs in lock.environments.specs.values())
    distinct = list(dict.fromkeys(environments))
    return dict(zip(distinct, solve_all(distinct, forge.output / "work", forge.engine_cache), strict=True))


def _environment(forge: ForgeOnDisk, lock: _Lock, specs: tuple[str, ...]) -> Environment:
    return Environment(specs, lock.channels, lock.platform)


def _locks_of(
    forge: ForgeOnDisk, status: Status, statuses: Mapping[VariantId, Status], folder: Path
) -> Iterable[_Lock]:
    """How the packages of a package variant that is up to date were solved.

    Raises:
        ForgeError: if they, or packages of the forge that they are solved with, cannot be read.
    """
    if status.state not in UP_TO_DATE or forge.not_built_here(status.id.package) is not None:
        return
    channels = forge.solve_channels
    column = column_artifacts(forge, forge.catalog.variants[status.id], statuses)
    if column:
        channels = (_view(forge, column, folder), *channels)
    for artifact in status.artifacts:
        files = _read(forge, artifact, (RENDERED, INDEX))
        noted = next((note.environments for note in reversed(artifact.notes) if note.environments), None)
        found = Environments.from_json(noted) if noted else None
        depends = json.loads(files[INDEX] or b"{}").get("depends") or ()
        yield _Lock(
            found or environments_of(rendered_recipe(files[RENDERED], artifact.filename)),
            tuple(depends),
            channels,
            forge.platform_of(status.id.package),
        )


def _view(forge: ForgeOnDisk, column: tuple[Artifact, ...], folder: Path) -> str:
    """The address of a channel that lists these packages: as in a build, others of the forge do not come in their place."""
    channel = folder / digest([artifact.sha256 for artifact in column])
    if channel.exists():
        return channel.as_uri()
    entries: dict[str, dict[str, Mapping[str, Any]]] = {}
    for artifact in column:
        index = json.loads(_read(forge, artifact, (INDEX,))[INDEX] or b"{}")
        described = {**index, "sha256": artifact.sha256, "size": artifact.size}
        entries.setdefault(artifact.subdir, {})[artifact.filename] = described
    return write_index(channel, entries)


def _read(forge: ForgeOnDisk, artifact: Artifact, names: tuple[str, ...]) -> Mapping[str, bytes | None]:
    """Files of a package, read from a channel that holds it.

    Raises:
        ForgeError: if none does, or it cannot be read.
    """
    wanted = (artifact.subdir, artifact.filename, artifact.sha256)
    channels = sorted((forge.staging, *(channel for _, channel in forge.targets)), key=lambda c: not c.is_local)
    for channel in channels:
        for entry in channel_entries(forge, channel):
            if (entry.subdir, entry.filename, entry.sha256) == wanted:
                return channel.read(entry, names)
    raise ForgeError("is in no channel any more", where=artifact.filename)


def _by_name(packages: Iterable[Any]) -> dict[str, Locked]:
    return {item.name: Locked(item.version, item.build, item.sha256) for item in packages}


def wanted_tonight(forge: ForgeOnDisk, night: Night, *, jobs: int) -> Wanted:
    """What the nightly run builds: everything that is out of date, and what `night` says is to be rebuilt."""
    return Wanted(select(forge.catalog, (), (), ()), night.rebuild, jobs=jobs, night_began=night.began)
