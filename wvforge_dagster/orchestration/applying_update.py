"""A recipe moved to a new release of its source, as an uncommitted change; or left as it was, if anything about that fails."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from wvforge_dagster.build.builder import BuildPlace, copy_recipe_folder
from wvforge_dagster.build.materials import without_credentials
from wvforge_dagster.build.render import render_forge
from wvforge_dagster.build.source_archive import download
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.forge import VariantFile
from wvforge_dagster.core.recipe import BrokenRecipe, Recipe
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.isolation import sandbox_of
from wvforge_dagster.orchestration.updates import Followed, look_for_releases
from wvforge_dagster.orchestration.whole_files import write_whole
from wvforge_dagster.releases.patches import check_patches
from wvforge_dagster.releases.places import place_of
from wvforge_dagster.releases.recipe_text import hashes_in_sources, with_hashes, with_version
from wvforge_dagster.settings import platform_of_machine

_HASHES = ("sha256", "md5")

Source = Mapping[str, Any]


@dataclass(frozen=True)
class Applied:
    """A recipe that was moved.

    Attributes:
        path: the changed recipe.yaml.
        patches: how many patches apply to the new source.
        remarks: what to look at.
    """

    followed: Followed
    path: Path
    patches: int
    remarks: tuple[str, ...]


def apply_update(forge: ForgeOnDisk, name: str) -> Applied | Followed:
    """Ask for the newest release of a package's source, and move its recipe there. Nothing is committed.

    Returns:
        What was found, if there is no new release: then nothing was done.

    Raises:
        ForgeError: if there is no such package, its place cannot be asked, or the recipe cannot be moved; then it is as it was.
    """
    owner = forge.catalog.provider.get(name)
    if owner is None:
        raise ForgeError(f"no package {name!r} in this forge", remedy=f"it has {', '.join(forge.catalog.packages)}")
    package = forge.catalog.packages[owner.rpartition("/")[2]]
    if package.fault is not None or package.recipe is None:
        raise ForgeError(package.fault or "its recipe cannot be used", remedy="mend it first")
    (followed,) = look_for_releases(forge, [package.name])
    if followed.fault:
        raise ForgeError(followed.fault)
    if not followed.newest:
        return followed
    path = forge.recipe_path(package.name).resolve()
    before = path.read_bytes()
    work = forge.output / "work"
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="update-", dir=work) as folder:
        text, patches, remarks = _moved(forge, package.recipe, followed, before.decode("utf-8"), Path(folder))
    if path.read_bytes() != before:
        raise ForgeError("was changed meanwhile", where=str(path), remedy="apply it again")
    mode = path.stat().st_mode
    write_whole(path, text)
    path.chmod(mode)
    return Applied(followed, path, patches, remarks)


def _moved(
    forge: ForgeOnDisk, recipe: Recipe, followed: Followed, text: str, work: Path
) -> tuple[str, int, tuple[str, ...]]:
    """The text of the moved recipe, how many patches were applied, and what to look at."""
    where = str(forge.root / recipe.path)
    place = place_of(recipe)
    assert place is not None, "it has a new release"
    commits = {place.commit: followed.commit} if place.commit and followed.commit else {}
    old_sources = _sources(forge.catalog.packages[name].recipe for name in _platforms(forge, recipe))
    old_hashes = {source[kind] for source in old_sources for kind in _HASHES if kind in source}
    unknown = hashes_in_sources(text) - old_hashes
    try:
        text = with_version(text, followed.version, followed.newest, commits)
    except (ValueError, yaml.YAMLError) as error:
        raise ForgeError(str(error), where=where, remedy="write the new version by hand") from None
    changed = [source for source in _sources(_render(forge, recipe, text, work / "first")) if source not in old_sources]
    if not changed:
        raise ForgeError(
            f"no source of it changes with the version {followed.newest}", where=where, remedy="write it by hand"
        )
    fetched, hashes = _fetch(changed, work, where)
    text = with_hashes(text, hashes)
    moved = _render(forge, recipe, text, work / "second")
    sources = [source for source in _sources(moved) if source not in old_sources]
    _check(recipe, moved, followed, sources, changed, hashes, where)
    check_patches(Path(where), sources, fetched, _place(forge, recipe, work))
    patches = sum(len(source.get("patches") or ()) for source in sources)
    remarks = [f"the hash {value[:12]}... is of a source that this forge does not use; look at it" for value in unknown]
    return text, patches, tuple(sorted(remarks))


def _platforms(forge: ForgeOnDisk, recipe: Recipe) -> list[str]:
    """The packages that a recipe is, on each platform."""
    return [name for name, package in forge.catalog.packages.items() if package.path == recipe.path]


def _sources(recipes: Iterable[Recipe | None]) -> list[Source]:
    """The sources of these recipes, as rendered, each once."""
    found: list[Source] = []
    for recipe in recipes:
        for output in recipe.outputs if recipe else ():
            found += [source for source in output.sources if source not in found]
    return found


def _render(forge: ForgeOnDisk, recipe: Recipe, text: str, folder: Path) -> list[Recipe]:
    """A text as the engine renders it in the place of the recipe's, on each platform."""
    copy_recipe_folder((forge.root / recipe.path).parent, folder / "recipe")
    (folder / "recipe" / PurePosixPath(recipe.path).name).write_text(text, encoding="utf-8", newline="")
    settings = forge.forge.model_copy(
        update={
            "variants": tuple(
                VariantFile(file=str(path.resolve()), sha256=entry.sha256)
                for path, entry in zip(forge.variant_files, forge.forge.variants, strict=True)
            ),
            "recipes": (f"recipe/{PurePosixPath(recipe.path).name}",),
            "output": str(forge.output.resolve()),
        }
    )
    rendered = render_forge(folder, settings)
    found: list[Recipe] = []
    for item in (*rendered.recipes, *(other for others in rendered.further.values() for other in others)):
        if isinstance(item, BrokenRecipe):
            words = item.reason.removeprefix(f"{item.path}: ")
            raise ForgeError(f"cannot be moved: {words}", where=str(forge.root / recipe.path))
        found.append(item)
    return found


def _fetch(changed: Iterable[Source], work: Path, where: str) -> tuple[dict[str, Path], dict[str, str]]:
    """Fetch what has a hash: the files by their addresses, and the new hashes by the old ones."""
    fetched: dict[str, Path] = {}
    hashes: dict[str, str] = {}
    for number, source in enumerate(changed):
        kinds = [kind for kind in _HASHES if kind in source]
        if "url" not in source or not (kinds or source.get("patches")):
            continue
        urls = [source["url"]] if isinstance(source["url"], str) else list(source["url"])
        path = work / f"file-{number}" / (unquote(PurePosixPath(urlsplit(urls[0]).path).name) or "source")
        path.parent.mkdir()
        _download(urls, path, where)
        fetched |= dict.fromkeys(urls, path)
        for kind in kinds:
            with path.open("rb") as stream:
                value = hashlib.file_digest(stream, kind).hexdigest()
            if hashes.setdefault(str(source[kind]), value) != value:
                raise ForgeError(
                    f"two of its sources have the {kind} {source[kind]}", where=where, remedy="write it by hand"
                )
    return fetched, hashes


def _download(urls: Iterable[str], path: Path, where: str) -> None:
    """Bring a source here, from the first of its addresses that has it."""
    said = []
    for url in urls:
        try:
            download(url, path)
        except ForgeError as fault:
            said.append(f"{without_credentials(url)}: {fault.what}")
        else:
            return
    remedy = "write the new address by hand, or try again later"
    raise ForgeError(f"its new source cannot be had: {', '.join(said)}", where=where, remedy=remedy)


def _check(
    recipe: Recipe,
    moved: Iterable[Recipe],
    followed: Followed,
    sources: Iterable[Source],
    changed: Iterable[Source],
    hashes: Mapping[str, str],
    where: str,
) -> None:
    """See that the engine renders what was meant: the new version, number 0, and the sources that were fetched.

    Raises:
        ForgeError: saying what it renders instead.
    """
    for item in moved:
        for output in item.outputs:
            is_followed = any(old.name == output.name and old.version == followed.version for old in recipe.outputs)
            if is_followed and (output.version, output.build_number) != (followed.newest, 0):
                words = f"{output.name} would be {output.version} with build number {output.build_number}"
                raise ForgeError(f"{words}, not {followed.newest} with 0", where=where, remedy="write it by hand")
    meant = [{key: hashes.get(value, value) if key in _HASHES else value for key, value in s.items()} for s in changed]
    if [dict(source) for source in sources] != meant:
        raise ForgeError("its sources do not follow its version and hashes", where=where, remedy="write it by hand")


def _place(forge: ForgeOnDisk, recipe: Recipe, work: Path) -> BuildPlace:
    return BuildPlace(
        folder=work / "patching",
        cache=forge.engine_cache,
        channels=(),
        variant_files=(),
        platform=platform_of_machine(),
        limits=forge.build_limits(recipe.name),
        sandbox=sandbox_of(forge),
    )
