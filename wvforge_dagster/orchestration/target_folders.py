"""Which folders a publish target may be: a channel of its own, and no place that the forge uses otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from wvforge_dagster.channels.targets import FileTarget, PublishTarget
from wvforge_dagster.core.errors import ForgeError

OWN_FOLDERS = (
    "staging",
    "work",
    "logs",
    "cache",
    "aside",
    "dagster",
    "upstream",
    "provenance",
    "locks",
    "failures",
    "measures",
    "variants",
)
"""What the forge keeps below its output."""


def refuse_folders(targets: Iterable[tuple[str, PublishTarget]], root: Path, output: Path) -> None:
    """Refuse a target in a folder that is not its own.

    Args:
        targets: each with its place in forge.yaml.
        root: what relative paths are relative to.
        output: the forge's own folder.

    Raises:
        ForgeError: naming file and key of the first.
    """
    own = output.resolve()
    taken: dict[Path, str] = {}
    for position, target in targets:
        if not isinstance(target, FileTarget):
            continue
        where = f"{position}.file"
        try:
            folder = (root / target.file).resolve()
        except (ValueError, OSError, RuntimeError) as error:
            # A NUL, or links that go in a circle.
            words = f"{target.file!r} is no path: {error}"
            raise ForgeError(words, where=where, remedy="name a folder") from None
        if folder == own or any(folder.is_relative_to(own / name) for name in OWN_FOLDERS):
            raise ForgeError(
                f"{target.file!r} is a folder that the forge uses itself",
                where=where,
                remedy=f"name another, such as {output.name}/channel",
            )
        if folder in taken:
            raise ForgeError(f"{target.file!r} is the folder of {taken[folder]} too", where=where, remedy="remove one")
        taken[folder] = position.rpartition(": ")[2]
