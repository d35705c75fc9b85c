"""New releases of the recipes' sources, as they were when they were last asked for. `status` asks nobody."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.locks import asking
from wvforge_dagster.orchestration.whole_files import write_whole
from wvforge_dagster.releases.asking import ask
from wvforge_dagster.releases.places import Place, place_of, wanted_versions
from wvforge_dagster.releases.versions import is_newer, newest


@dataclass(frozen=True)
class Followed:
    """What is known of the releases of a recipe's source.

    Attributes:
        package: its name; of several platforms, the first one's.
        version: the recipe's own, when it was asked.
        newest: the newest release, if it is newer; else empty.
        commit: that it is of, where it is a tag.
        listed: how many releases are.
        place: where releases are listed; empty if it is not followed.
        fault: why it could not be asked, in one line; `newest` is then as it was known before.
        asked: when, in UTC (ISO 8601).
    """

    package: str
    version: str
    newest: str = ""
    commit: str = ""
    listed: int = 0
    place: str = ""
    fault: str = ""
    asked: str = ""

    def __str__(self) -> str:
        if self.fault:
            return f"{self.package}: {self.fault}"
        if not self.place:
            return f"{self.package}: {self.version} is not followed"
        found = " is the newest" if self.listed else ": no release is listed"
        found = f"{self.version} -> {self.newest}" if self.newest else f"{self.version}{found}"
        return f"{self.package}: {found} ({self.place})"


def look_for_releases(forge: ForgeOnDisk, packages: Iterable[str] | None = None) -> tuple[Followed, ...]:
    """Ask for the releases of these packages' sources, all side by side, and keep the answers; None for all packages."""
    recipes = {
        name: package.recipe
        for name, package in forge.catalog.packages.items()
        if package.recipe is not None and "/" not in name and (packages is None or name in packages)
    }
    places: dict[str, Place] = {}
    patterns: dict[str, str] = {}
    faults: dict[str, str] = {}
    for name, recipe in recipes.items():
        try:
            pattern, place = wanted_versions(recipe), place_of(recipe)
        except ForgeError as fault:
            faults[name] = str(fault)
            continue
        if pattern is not None and place is not None:
            places[name], patterns[name] = place, pattern
    with asking(forge, "releases"):
        known = _read(forge)
        answers = ask(places.values())
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        found = []
        for name, recipe in recipes.items():
            version = recipe.outputs[0].version
            answer = answers[places[name]] if name in places else ()
            if isinstance(answer, ForgeError):
                before = known.get(name, Followed(name, version))
                found.append(replace(before, version=version, place=str(places[name]), fault=str(answer), asked=now))
                continue
            best = newest(answer, version, patterns[name]) if name in places else None
            place_name = str(places[name]) if name in places else ""
            told = (best.version, best.commit) if best else ("", "")
            found.append(Followed(name, version, *told, len(answer), place_name, faults.get(name, ""), now))
        kept = known | {item.package: item for item in found}
        _keep(forge, (item for item in kept.values() if item.package in forge.catalog.packages))
    return tuple(found)


def new_releases(forge: ForgeOnDisk) -> dict[str, str]:
    """The newest release of each package, for those whose recipe is older; as it was when it was last asked for."""
    known = _read(forge)
    found = {}
    for name, package in forge.catalog.packages.items():
        item = known.get(name.rpartition("/")[2])
        if item and item.newest and package.recipe and is_newer(item.newest, package.recipe.outputs[0].version):
            found[name] = item.newest
    return found


def last_asked(forge: ForgeOnDisk) -> datetime | None:
    """When all packages were last asked for; None if one never was."""
    known = _read(forge)
    names = [name for name, package in forge.catalog.packages.items() if package.recipe and "/" not in name]
    try:
        return min((datetime.fromisoformat(known[name].asked) for name in names), default=None)
    except (KeyError, ValueError):
        return None


def _read(forge: ForgeOnDisk) -> dict[str, Followed]:
    try:
        found = json.loads(_path(forge).read_text(encoding="utf-8"))
        return {str(name): Followed(**item) for name, item in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _keep(forge: ForgeOnDisk, found: Iterable[Followed]) -> None:
    write_whole(_path(forge), json.dumps({item.package: asdict(item) for item in found}, indent=1, sort_keys=True))


def _path(forge: ForgeOnDisk) -> Path:
    return forge.output / "cache" / "releases.json"
