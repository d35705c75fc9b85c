"""A channel that shows a part of a folder channel: what one build may see of the forge's own packages.

With the staging channel as it is, a solver may take a package of another column, or of older inputs, wherever their
requirements allow it: one built for CUDA 13.0 satisfies an environment with 13.2. What a package variant was built against
would then not be what its record says.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from wvforge_dagster.core.errors import ForgeError


def make_view(channel: Path, files: Iterable[tuple[str, str]], view: Path) -> str:
    """Make a channel in the folder `view` with these files of the folder channel `channel`, and return its address.

    Args:
        files: subdir and filename of each.

    Raises:
        ForgeError: if a file is not there, or not in the index.
    """
    wanted: dict[str, set[str]] = {"noarch": set()}
    for subdir, filename in files:
        wanted.setdefault(subdir, set()).add(filename)
    for subdir, names in wanted.items():
        folder = view / subdir
        folder.mkdir(parents=True, exist_ok=True)
        index = json.loads((channel / subdir / "repodata.json").read_bytes()) if names else {"info": {"subdir": subdir}}
        shown = {key: value for key, value in index.items() if key not in ("packages", "packages.conda", "removed")}
        for section in ("packages", "packages.conda"):
            shown[section] = {name: entry for name, entry in index.get(section, {}).items() if name in names}
        lost = names - {*shown["packages"], *shown["packages.conda"]}
        if lost:
            raise ForgeError(f"does not list {', '.join(sorted(lost))}", where=str(channel / subdir / "repodata.json"))
        for name in names:
            _link(channel / subdir / name, folder / name)
        (folder / "repodata.json").write_text(json.dumps(shown), encoding="utf-8")
    return view.as_uri()


def _link(source: Path, target: Path) -> None:
    if not source.is_file():
        raise ForgeError("is listed in its channel and not there", where=str(source), remedy="build it again")
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
