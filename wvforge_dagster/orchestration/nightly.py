"""The nightly run: asks everything outside anew, and builds what that makes necessary.

For every package variant that is up to date its environments are solved again, from the specs that the engine kept in the
package, and compared with what it was built in. What is missing, stale, or failed for a reason that may have passed is built as
by ``wvforge build``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from wvforge_dagster.build.inspect import RENDERED, Environments, environments_of, rendered_recipe
from wvforge_dagster.build.solve import Environment, Solution, allows, solve_all
from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.locked import Difference, Locked, differences, that_matter
from wvforge_dagster.core.state import UP_TO_DATE, Status
from wvforge_dagster.orchestration.build_forge import Wanted
from wvforge_dagster.orchestration.evidence import channel_entries, derive_statuses
from wvforge_dagster.orchestration.failures import read_failures
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
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
    """

    rebuild: Mapping[VariantId, str]
    unchanged: Mapping[VariantId, tuple[Difference, ...]]
    to_make: Mapping[VariantId, str]
    warnings: tuple[str, ...] = ()

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
    """How a package was solved: for each section its specs, and what they gave; and what the package itself requires."""

    specs: Mapping[str, tuple[str, ...]]
    environments: Environments
    depends: tuple[str, ...] = field(default=())


def look(forge: ForgeOnDisk) -> Night:
    """Ask and solve everything anew. Builds nothing.

    Raises:
        ForgeError: if solving was ended early.
    """
    warnings = [str(fault) for fault in refresh_everything(forge).values()]
    statuses = derive_statuses(forge)
    locks: list[tuple[VariantId, _Lock]] = []
    for status in statuses.values():
        for artifact in status.artifacts if status.state in UP_TO_DATE else ():
            try:
                locks.append((status.id, _lock_of(forge, artifact)))
            except ForgeError as fault:
                warnings.append(str(fault))
    solved = _solve_again(forge, locks)
    rebuild: dict[VariantId, str] = {}
    unchanged: dict[VariantId, tuple[Difference, ...]] = {}
    for identity, lock in locks:
        found: list[Difference] = []
        for section, specs in lock.specs.items():
            solution = solved[_environment(forge, specs)]
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
    )


def _more(found: tuple[Difference, ...]) -> str:
    return f" and {len(found) - 3} more" if len(found) > 3 else ""


def _to_make(forge: ForgeOnDisk, statuses: Mapping[VariantId, Status]) -> Mapping[VariantId, str]:
    everything = select(forge.catalog, (), (), ())
    return make_plan(forge.catalog, statuses, read_failures(forge), everything).reasons


def _solve_again(forge: ForgeOnDisk, locks: Iterable[tuple[VariantId, _Lock]]) -> Mapping[Environment, Solution]:
    distinct = list(dict.fromkeys(_environment(forge, specs) for _, lock in locks for specs in lock.specs.values()))
    return dict(zip(distinct, solve_all(distinct, forge.output / "work", forge.engine_cache), strict=True))


def _environment(forge: ForgeOnDisk, specs: tuple[str, ...]) -> Environment:
    return Environment(specs, forge.solve_channels, forge.forge.platform)


def _lock_of(forge: ForgeOnDisk, artifact: Artifact) -> _Lock:
    """How a package was solved, read from a channel that holds it.

    Raises:
        ForgeError: if it cannot be read.
    """
    wanted = (artifact.subdir, artifact.filename, artifact.sha256)
    channels = sorted((forge.staging, *(channel for _, channel in forge.targets)), key=lambda c: not c.is_local)
    for channel in channels:
        for entry in channel_entries(forge, channel):
            if (entry.subdir, entry.filename, entry.sha256) == wanted:
                files = channel.read(entry, (RENDERED, "info/index.json"))
                rendered = rendered_recipe(files[RENDERED], artifact.filename)
                noted = next((n.environments for n in reversed(artifact.notes) if n.environments), None)
                found = Environments.from_json(noted) if noted else environments_of(rendered)
                index = json.loads(files["info/index.json"] or b"{}")
                return _Lock(_specs_of(rendered), found, tuple(index.get("depends") or ()))
    raise ForgeError("is in no channel any more", where=artifact.filename)


def _specs_of(rendered: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
    """The specs that the engine solved, by section: ``source`` is the recipe's own word, ``spec`` what came of it."""
    dependencies = rendered.get("finalized_dependencies") or {}
    found = {}
    for section in ("build", "host"):
        specs = (dependencies.get(section) or {}).get("specs") or []
        texts = tuple(str(item.get("spec") or item.get("source")) for item in specs if isinstance(item, Mapping))
        if texts:
            found[section] = texts
    return found


def _by_name(packages: Iterable[Any]) -> dict[str, Locked]:
    return {item.name: Locked(item.version, item.build, item.sha256) for item in packages}


def wanted_tonight(forge: ForgeOnDisk, night: Night, *, jobs: int) -> Wanted:
    """What the nightly run builds: everything that is out of date, and what `night` says is to be rebuilt."""
    return Wanted(select(forge.catalog, (), (), ()), night.rebuild, jobs=jobs)
