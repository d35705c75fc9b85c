"""Gathering what states are derived from: digests of files, what lies in the channels, failures, builds under way."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from wvforge_dagster.build.inspect import inspect_package
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.channels.protocol import Channel, ChannelEntry
from wvforge_dagster.core.artifact import Artifact, Record
from wvforge_dagster.core.catalog import Package, VariantId
from wvforge_dagster.core.digest import digest_files, digest_tree
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.package_file import PackageFile
from wvforge_dagster.core.state import Evidence, RecipeFiles, Status, derive
from wvforge_dagster.orchestration.failures import read_failures
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.locks import held_locks
from wvforge_dagster.orchestration.whole_files import write_whole

_inspected: dict[str, Artifact] = {}


def derive_statuses(forge: ForgeOnDisk, *, mine: VariantId | None = None) -> dict[VariantId, Status]:
    """The status of every package variant, now. Asks no network: of remote targets, what they said last.

    Args:
        mine: the package variant whose lock the caller holds: it does not count as being built.
    """
    return derive(forge.catalog, gather(forge, mine=mine))


def gather(forge: ForgeOnDisk, *, mine: VariantId | None = None) -> Evidence:
    """All evidence, now."""
    packages = forge.catalog.packages
    return Evidence(
        platform=forge.forge.platform,
        files={name: recipe_files(forge, package) for name, package in packages.items() if package.recipe is not None},
        staged=staged_artifacts(forge),
        published={channel.label: _listing(forge, channel) for _, channel in forge.targets},
        targets={name: tuple(channel.label for _, channel in forge.targets_of(name)) for name in packages},
        failures=read_failures(forge),
        building=held_locks(forge) - {mine},
    )


def recipe_files(forge: ForgeOnDisk, package: Package) -> RecipeFiles:
    """Digests of the files that a recipe uses besides its recipe.yaml."""
    path = forge.root / package.path
    sources: dict[str, str] = {}
    for output in package.recipe.outputs if package.recipe else ():
        for source in output.rendered.get("source") or []:
            if "path" in source and source["path"] not in sources:
                sources[source["path"]] = digest_tree(path.parent / source["path"])
    return RecipeFiles(digest_files(path.parent, without=(path.name,), without_folder=forge.output), sources)


def staged_artifacts(forge: ForgeOnDisk) -> tuple[Artifact, ...]:
    """What the staging channel holds. Each file is read once in its life: what it says is kept by its sha256.

    A file that cannot be read, or that is not there any more, is left out: it is no package.
    """
    found = []
    for entry in forge.staging.entries():
        path = forge.staging.path / entry.subdir / entry.filename
        with contextlib.suppress(ForgeError, OSError):
            if path.stat().st_size == entry.size:
                found.append(_inspect(forge, entry, path))
    return tuple(found)


def _inspect(forge: ForgeOnDisk, entry: ChannelEntry, path: Path) -> Artifact:
    if entry.sha256 not in _inspected:
        cache = forge.output / "cache" / "inspected-2" / f"{entry.sha256}.json"
        artifact = _read_artifact(cache, entry)
        if artifact is None:
            artifact = inspect_package(PackageFile(path, entry.subdir, entry.sha256, entry.size))
            write_whole(cache, json.dumps(_to_json(artifact)))
        _inspected[entry.sha256] = artifact
    return _inspected[entry.sha256]


def _to_json(artifact: Artifact) -> dict[str, object]:
    record = artifact.record.to_extra() if artifact.record else None
    return {"content": artifact.content, "file_count": artifact.file_count, "record": record}


def _read_artifact(cache: Path, entry: ChannelEntry) -> Artifact | None:
    try:
        value = json.loads(cache.read_text(encoding="utf-8"))
        return Artifact(
            subdir=entry.subdir,
            filename=entry.filename,
            name=entry.name,
            version=entry.version,
            build=entry.build,
            build_number=entry.build_number,
            sha256=entry.sha256,
            size=entry.size,
            content=value["content"],
            record=Record.from_extra(value["record"]),
            file_count=value["file_count"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def known_filenames(forge: ForgeOnDisk) -> frozenset[str]:
    """Every filename that staging or a target is known to hold."""
    listings = [_pairs(forge.staging.entries()), *(_listing(forge, channel) for _, channel in forge.targets)]
    return frozenset(filename for listing in listings for filename, _ in listing)


def _listing(forge: ForgeOnDisk, channel: Channel) -> frozenset[tuple[str, str]]:
    """What a target lists, as (filename, sha256): now if it is local, else as it was when it was last asked."""
    if channel.is_local:
        folder = Path(unquote(urlsplit(channel.url).path))
        return _pairs(
            entry for entry in channel.entries() if _is_there(folder / entry.subdir / entry.filename, entry.size)
        )
    try:
        value = json.loads(_listing_cache(forge, channel).read_text(encoding="utf-8"))
        return frozenset((str(name), str(sha256)) for name, sha256 in value)
    except (OSError, ValueError, TypeError):
        return frozenset()


def refresh(forge: ForgeOnDisk, channels: Iterable[Channel]) -> Mapping[str, ForgeError]:
    """Ask remote channels what they list, and keep it. Returns the faults of those that cannot be asked, by label."""
    faults: dict[str, ForgeError] = {}
    for channel in channels:
        if channel.is_local:
            continue
        try:
            listing = sorted(_pairs(channel.entries()))
        except ForgeError as fault:
            faults[channel.label] = fault
            continue
        write_whole(_listing_cache(forge, channel), json.dumps(listing))
    return faults


def _is_there(path: Path, size: int) -> bool:
    """Whether a file that an index lists is there, in its length: one that was removed or cut is not published."""
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def mend_indexes(forge: ForgeOnDisk) -> None:
    """Write the index of a channel folder anew that cannot be read."""
    for channel in (forge.staging, *(channel for _, channel in forge.targets)):
        if isinstance(channel, FolderChannel):
            try:
                channel.entries()
            except ForgeError:
                channel.reindex()


def _listing_cache(forge: ForgeOnDisk, channel: Channel) -> Path:
    name = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in channel.label)
    return forge.output / "cache" / "listings" / f"{name}.json"


def _pairs(entries: Iterable[ChannelEntry]) -> frozenset[tuple[str, str]]:
    return frozenset((entry.filename, entry.sha256) for entry in entries)
