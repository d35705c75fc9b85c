"""The embedded upstream channel of a forge, where forge.yaml names a manifest of one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.forge import FileChannel
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.upstream.assemble import assemble
from wvforge_dagster.upstream.report import UpstreamEvent, UpstreamReport


def assemble_upstream(forge: ForgeOnDisk, on_event: Callable[[UpstreamEvent], None]) -> UpstreamReport | None:
    """Assemble the channel that forge.yaml's ``upstream`` describes; None if it describes none.

    It goes to the first ``{file: ...}`` channel; the sources that it fetches to ``sources`` in the forge.

    Raises:
        ForgeError: there is no such channel, its folder is one that the forge publishes to or stages in, or what
            `assemble` says.
    """
    manifest = forge.forge.upstream
    if manifest is None:
        return None
    folder = next((channel.file for channel in forge.forge.channels if isinstance(channel, FileChannel)), None)
    if folder is None:
        raise ForgeError(
            "upstream is given, and no folder for it",
            where=str(forge.root / "forge.yaml: channels"),
            remedy="add {file: output/upstream} to channels",
        )
    _refuse_shared(forge, folder)
    return assemble(
        forge.root / manifest, forge.root / folder, forge.root / "sources", forge.output / "work" / "upstream", on_event
    )


def _refuse_shared(forge: ForgeOnDisk, folder: str) -> None:
    """Refuse a folder with another writer: it would index, and could replace, what the other one keeps there."""
    own = [(forge.staging, "the staging channel"), *((channel, "a publish target") for _, channel in forge.targets)]
    for channel, what in own:
        if isinstance(channel, FolderChannel) and channel.path.resolve() == (forge.root / folder).resolve():
            raise ForgeError(
                f"{{file: {folder}}} is to hold the embedded upstream channel, and is {what} too",
                where=str(forge.root / "forge.yaml: channels"),
                remedy="let the {file: ...} of another folder come first, such as output/upstream",
            )


def explain_missing(forge: ForgeOnDisk, reason: str) -> str:
    """The reason of a failed solve, with why this machine could not give the embedded channel what is missing in it."""
    for channel in forge.forge.channels:
        if not isinstance(channel, FileChannel):
            continue
        book = forge.root / channel.file / "missing.json"
        if not book.is_file():
            continue
        try:
            missing = json.loads(book.read_text(encoding="utf-8"))
            named = [item for item in missing if f"{item['name']} {item['spec']}" in reason]
            # A requirement such as python >=3.9 is of no single column: each version of it that is missing may be why.
            named = named or [item for item in missing if _has_no_candidate(item["name"], reason)]
            if named:
                return f"{reason} ({'; '.join(item['reason'] for item in named)})"
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return reason


def _has_no_candidate(name: str, reason: str) -> bool:
    """Whether the solver found no version of a package, in its words, that a requirement of it allows."""
    wanted = rf"{re.escape(name)} [<>=!~*]"
    return bool(re.search(rf"No candidates were found for {wanted}|─ {wanted}[^└├]*, for which no candidates", reason))
