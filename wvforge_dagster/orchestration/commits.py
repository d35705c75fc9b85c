"""The commits of git sources, as they were when they were last asked. `status` asks nobody; builds and the nightly run do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from wvforge_dagster.build.git_sources import resolve_commit
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.inputs import git_source_key
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.locks import asking
from wvforge_dagster.orchestration.whole_files import write_whole
from wvforge_dagster.settings import child_environment


def known_commits(forge: ForgeOnDisk) -> dict[str, str]:
    """By `git_source_key`; what was never asked is left out."""
    try:
        found = json.loads(_path(forge).read_text(encoding="utf-8"))
        return {str(key): str(value) for key, value in found.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def ask_commits(forge: ForgeOnDisk, packages: Iterable[str]) -> Mapping[str, ForgeError]:
    """Ask for the commits of the git sources of these packages, and keep the answers.

    Returns:
        The faults of those that could not be asked, by `git_source_key`; what was known of them stays.
    """
    answers: dict[str, str] = {}
    faults: dict[str, ForgeError] = {}
    folder = forge.output / "work"
    folder.mkdir(parents=True, exist_ok=True)
    for name in packages:
        package = forge.catalog.packages[name]
        for output in package.recipe.outputs if package.recipe else ():
            for source in output.sources:
                key = git_source_key(source) if "git" in source else ""
                if key and key not in answers and key not in faults:
                    try:
                        environment = child_environment(folder, folder)
                        answers[key] = resolve_commit(source, (forge.root / package.path).parent, environment)
                    except ForgeError as fault:
                        faults[key] = fault
    if answers:
        with asking(forge, "git sources"):
            write_whole(_path(forge), json.dumps(known_commits(forge) | answers, indent=1, sort_keys=True))
    return faults


def _path(forge: ForgeOnDisk) -> Path:
    return forge.output / "cache" / "commits.json"
