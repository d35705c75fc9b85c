"""Rendering a forge's recipes, in a child process, with the results kept by content.

A recipe is rendered again only when its recipe.yaml, a variant file, the platform or the engine changed, so that an
unchanged forge loads without rendering. A recipe that makes the engine hang, crash or take too much memory is reported as
broken; the others are rendered by another child.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import math
import re
import signal
import tempfile
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from wvforge_dagster.build.limits import FEWER_VARIANTS, MOST_VARIANTS, SECONDS_PER_RECIPE
from wvforge_dagster.build.process import ChildLimits, ChildResult, run_child
from wvforge_dagster.build.recipe_places import RecipePlaces, find_recipes
from wvforge_dagster.build.variant_files import check_variant_file, own_variant_files
from wvforge_dagster.core.columns import DIMENSION_OF_KEY, Dimensions, forge_dimensions
from wvforge_dagster.core.digest import digest
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.forge import Forge
from wvforge_dagster.core.recipe import SECTIONS, About, BrokenRecipe, Output, Recipe, Requirement, name_from_path

CACHE_FORMAT = 4
MOST_RECIPE_BYTES = 1 << 20


@dataclass(frozen=True)
class RenderedForge:
    """Every recipe of a forge, rendered or broken, in order of their paths, and the columns.

    Attributes:
        recipes: as rendered for the first platform of the forge.
        further: as rendered for each of the others.
        warnings: folders that have no recipe where one is looked for.
    """

    recipes: tuple[Recipe | BrokenRecipe, ...]
    dimensions: Dimensions
    further: Mapping[str, tuple[Recipe | BrokenRecipe, ...]] = field(default_factory=dict, hash=False)
    warnings: tuple[ForgeError, ...] = ()


def render_forge(root: Path, forge: Forge) -> RenderedForge:
    """Render all recipes of the forge at `root`.

    Raises:
        ForgeError: for a fault of a variant file. A fault of a recipe is a `BrokenRecipe` in the result.
    """
    places = find_recipes(root, forge.recipes)
    recipes, values = _render_for(root, forge, forge.platform, places)
    further = {platform: _render_for(root, forge, platform, places)[0] for platform in forge.platforms[1:]}
    everything = (*recipes, *(recipe for found in further.values() for recipe in found))
    warnings = tuple(
        ForgeError(
            f"has no recipe ({' or '.join(forge.recipes)})", where=folder, remedy="write one, or remove the folder"
        )
        for folder in places.without
    )
    return RenderedForge(recipes, _dimensions(values, everything), further, warnings)


def _render_for(
    root: Path, forge: Forge, platform: str, places: RecipePlaces
) -> tuple[tuple[Recipe | BrokenRecipe, ...], Mapping[str, list[str]]]:
    """All recipes as they are for one platform, and the values of the variant keys."""
    cache = root / forge.output / "cache" / "rendered"
    base = digest(
        {
            "format": CACHE_FORMAT,
            "engine": importlib.metadata.version("py-rattler-build"),
            "variants": [
                check_variant_file(root / entry.path_in(forge.output), entry.sha256) for entry in forge.variants
            ],
            "platform": platform,
            "architectures": forge.architectures.to_json(),
        }
    )
    found: dict[str, Recipe | BrokenRecipe] = {broken.path: broken for broken in places.broken}
    keys: dict[str, str] = {}
    digests: dict[str, str] = {}
    for path in places.paths:
        content = _read_recipe(root / path)
        if isinstance(content, str):
            found[path] = _recipe(path, {"event": "broken", "reason": content}, "")
        else:
            digests[path] = hashlib.sha256(content).hexdigest()
            own = [file.read_bytes() for file in own_variant_files(root / path)]
            keys[path] = hashlib.sha256(b"\0".join([base.encode(), content, *own])).hexdigest()
    values = _cached(cache / f"variants-{base}.json")
    for path, key in keys.items():
        kept = _in_memory.get((path, key)) or _from_cache(cache, path, key, digests[path])
        if kept is not None:
            found[path] = _in_memory[path, key] = kept
    missing = sorted(keys.keys() - found.keys())
    if missing or values is None:
        request = {
            "root": str(root),
            "variants": [str(root / entry.path_in(forge.output)) for entry in forge.variants],
            "platform": platform,
            "architectures": forge.architectures.to_json(),
        }
        for event in _render_all(request, missing):
            if event["event"] == "bad_variants":
                raise ForgeError(event["reason"], where=event["file"])
            if event["event"] == "variants":
                values = event
                _keep(cache / f"variants-{base}.json", event)
            else:
                path = event["path"]
                found[path] = _recipe(path, event, digests[path])
                if not event.get("passing"):
                    _keep(cache / f"{keys[path]}.json", event)
    return tuple(found[path] for path in sorted(found)), values["values"] if values else {}


def _dimensions(values: Mapping[str, list[str]], recipes: Iterable[Recipe | BrokenRecipe]) -> Dimensions:
    """The forge's columns: those of its variant files, and then what a recipe's own variant file adds."""
    extended = {key: list(found) for key, found in values.items()}
    for recipe in recipes:
        for output in recipe.outputs if isinstance(recipe, Recipe) else ():
            for key, value in output.variant:
                if key in DIMENSION_OF_KEY and value not in extended.setdefault(key, []):
                    extended[key].append(value)
    return forge_dimensions(extended)


_in_memory: dict[tuple[str, str], Recipe | BrokenRecipe] = {}
"""Recipes by path and cache key, for a process that looks at one forge again and again."""


def _from_cache(cache: Path, path: str, key: str, sha256: str) -> Recipe | BrokenRecipe | None:
    answer = _cached(cache / f"{key}.json")
    return _recipe(path, answer, sha256) if answer is not None else None


def _read_recipe(path: Path) -> bytes | str:
    """The recipe file, or why it cannot be read."""
    try:
        if not path.is_file():
            return "is not a file"
        if path.stat().st_size > MOST_RECIPE_BYTES:
            return f"holds {path.stat().st_size:,} bytes; a recipe has {MOST_RECIPE_BYTES:,} at the most"
        content = path.read_bytes()
    except OSError as error:
        return f"cannot be read: {error.strerror}; give yourself the right to read it"
    return "begins with a byte order mark; save it as UTF-8 without one" if content.startswith(BOM_UTF8) else content


def _render_all(request: Mapping[str, Any], recipes: list[str]) -> Iterator[dict[str, Any]]:
    """Events of rendering `recipes`, with as many children as it takes."""
    remaining = recipes
    while True:
        collected: list[dict[str, Any]] = []
        with tempfile.TemporaryDirectory(prefix="wvforge-render-") as folder:
            result = run_child(
                "wvforge_dagster.build.render_worker",
                {**request, "recipes": [(path, _own(Path(request["root"]), path)) for path in remaining]},
                collected.append,
                limits=ChildLimits(),
                folder=Path(folder),
            )
        yield from (event for event in collected if event["event"] != "start")
        if result.was_ended:
            raise ForgeError("rendering was interrupted")
        if not collected:
            raise ForgeError(f"rendering does not start: {result.stderr.strip()[-500:] or result.exit_status}")
        last = collected[-1]
        if last["event"] == "start":
            # How long it takes depends on the machine as well: it is tried again by the next command.
            slow = result.exit_status == 128 + signal.SIGALRM
            reason = f"{_why(result)}{_most_variants(last['widest'])}"
            yield {"event": "broken", "path": last["path"], "reason": reason, "passing": slow}
        done = {event["path"] for event in collected if "path" in event}
        remaining = [path for path in remaining if path not in done]
        if not remaining:
            return
        if not done:
            raise ForgeError(f"rendering ends before the first recipe: {_why(result)}")


def _own(root: Path, recipe: str) -> str | None:
    """The variant file beside a recipe, relative to the forge."""
    return next((path.relative_to(root).as_posix() for path in own_variant_files(root / recipe)), None)


def _why(result: ChildResult) -> str:
    """Why a child died over a recipe."""
    if result.exit_status == 128 + signal.SIGALRM:
        return f"rendering it takes longer than {SECONDS_PER_RECIPE} seconds"
    if result.wrong_words:
        return f"rendering it {result.wrong_words}"
    if "memory" in result.stderr.lower() or "alloc" in result.stderr.lower():
        return "rendering it takes too much memory"
    last = result.stderr.strip().splitlines()[-1:] or [f"exit status {result.exit_status}"]
    return f"the engine died over it: {last[0]}"


def _most_variants(widest: Mapping[str, int]) -> str:
    """What to do about a recipe that rendering does not come to an end with, if it may be for its many variants."""
    count = math.prod(widest.values())
    if count <= MOST_VARIANTS:
        return "; make it simpler"
    return f"; {', '.join(widest)} have {count:,} combinations: {FEWER_VARIANTS}"


def _recipe(path: str, answer: Mapping[str, Any], sha256: str) -> Recipe | BrokenRecipe:
    """A recipe from what the child, or the cache, says of it."""
    if answer["event"] == "broken":
        return BrokenRecipe(path, name_from_path(path), f"{path}: {answer['reason']}")
    about = {key: str(value or "").strip() for key, value in answer["about"].items()}
    recipe = Recipe(
        path=path,
        name=answer["name"],
        about=About(**about, maintainers=tuple(answer["maintainers"])),
        outputs=tuple(_output(item) for item in answer["outputs"]),
        sha256=sha256,
    )
    try:
        for output in recipe.outputs:
            output.gpu_tests  # noqa: B018 (raises)
    except ValueError as error:
        return BrokenRecipe(path, recipe.name, f"{path}: {error}")
    return recipe


def _output(item: Mapping[str, Any]) -> Output:
    rendered = item["rendered"]
    sections = dict(rendered.get("requirements") or {})
    sections["test"] = [
        entry
        for test in rendered.get("tests") or []
        if isinstance(test.get("requirements"), Mapping)
        for entries in test["requirements"].values()
        for entry in entries
    ]
    for cache in rendered.get("staging_caches") or []:
        for name, entries in (cache.get("requirements") or {}).items():
            sections.setdefault(f"staging {name}", []).extend(entries if isinstance(entries, list) else ())
    return Output(
        name=item["name"],
        version=item["version"],
        build_string=item["build_string"],
        build_number=item["build_number"],
        noarch=item["noarch"],
        variant=tuple(sorted(item["variant"].items())),
        requirements={name: tuple(_requirement(entry) for entry in sections.get(name) or []) for name in SECTIONS},
        skip=item["skip"],
        rendered=rendered,
    )


def _requirement(entry: Any) -> Requirement:
    """One requirement: a match spec, or a pin such as ``{pin_compatible: {name: ..., upper_bound: ...}}``."""
    if isinstance(entry, Mapping):
        kind, value = next(iter(entry.items()))
        name = value.get("name", "") if isinstance(value, Mapping) else str(value)
        return Requirement(str(name), f"{kind}({name})")
    return _match_spec(str(entry))


@lru_cache(maxsize=4096)
def _match_spec(spec: str) -> Requirement:
    name = re.split(r"[\s=<>!~\[;]", spec.rsplit("::", maxsplit=1)[-1].strip(), maxsplit=1)[0]
    return Requirement(name.lower(), spec)


def _cached(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) and "event" in value else None


def _keep(path: Path, value: Mapping[str, Any]) -> None:
    """Write a cache entry, whole or not at all. A cache that cannot be written costs time, not truth."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".tmp", delete=False, encoding="utf-8") as stream:
            json.dump(value, stream)
        Path(stream.name).replace(path)
