"""Whether a recipe's patches apply to new sources: the engine builds a package of nothing but these sources."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from wvforge_dagster.build.builder import BuildFailed, BuildPlace
from wvforge_dagster.build.carrier import build_carrier, copy_for_carrier
from wvforge_dagster.core.errors import ForgeError

Source = Mapping[str, Any]


def check_patches(recipe: Path, sources: Iterable[Source], fetched: Mapping[str, Path], place: BuildPlace) -> None:
    """Have the engine unpack and patch the sources, as a build does.

    Args:
        recipe: the recipe.yaml, whose folder has the patches.
        sources: as rendered; those without patches are left out.
        fetched: what was fetched of them already, by address.
        place: where the engine works; its channels are not asked.

    Raises:
        ForgeError: naming the patch, and why it does not apply.
    """
    patched = [source for source in sources if source.get("patches")]
    if not patched:
        return
    folder = place.folder.with_name(f"{place.folder.name}-recipe")
    copy_for_carrier(recipe.parent, folder)
    carried = [
        _with_file(source, fetched, folder / f"wvforge-source-{number}") for number, source in enumerate(patched)
    ]
    carrier = {
        "package": {"name": "wvforge-patches", "version": "1"},
        "source": carried,
        "build": {"noarch": "generic", "script": ["true"]},
        "about": {"license": "LicenseRef-none"},
    }
    try:
        build_carrier(folder / recipe.name, carrier, carried, place, _nobody_listens, network=False)
    except BuildFailed as failed:
        reason = failed.failure.reason.replace(str(folder), str(recipe.parent))
        raise ForgeError(f"the new source cannot be used: {reason}", where=str(recipe)) from None


def _with_file(source: Source, fetched: Mapping[str, Path], folder: Path) -> dict[str, Any]:
    """A source that is at hand, if it was fetched; its place in the work folder is left to the patch."""
    urls = source.get("url") or ()
    for url in [urls] if isinstance(urls, str) else urls:
        if url in fetched:
            # Within the recipe's folder the sandbox shows it.
            folder.mkdir()
            path = Path(shutil.copy2(fetched[url], folder))
            return {**source, "url": path.as_uri()}
    return dict(source)


def _nobody_listens(level: str, line: str) -> None:
    """What failed is in the failure."""
