"""Bringing what other machines did, where forge.yaml has `staging`: before anything is derived, and so before it is built."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import PurePosixPath

from wvforge_dagster.channels.mirror import MirroredFolder
from wvforge_dagster.channels.protocol import ChannelEntry
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.errors import UnreachableError
from wvforge_dagster.core.history import Measure
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.history import keep_measure
from wvforge_dagster.orchestration.inspected import learn
from wvforge_dagster.orchestration.listings import keep_listing, known_listing
from wvforge_dagster.orchestration.locks import asking
from wvforge_dagster.orchestration.seals import share_key
from wvforge_dagster.orchestration.shared_books import MEASURES, book_of, keep_book, pull_books, read_etags
from wvforge_dagster.orchestration.whole_files import write_whole


def pull(forge: ForgeOnDisk) -> None:
    """Ask the shared staging channel what it holds now; nothing where a machine has a staging channel of its own.

    Raises:
        ForgeError: if it cannot be reached or read.
    """
    staging = forge.mirror
    if staging is None:
        return
    with asking(forge, staging.label):
        entries = staging.entries()
        known = known_listing(forge, staging)
        new = set(entries) - set(known)
        fault = learn(forge, staging, new)
        if isinstance(fault, UnreachableError):
            raise fault  # what cannot be read now is not missing
        if new or len(entries) != len(known):
            keep_listing(forge, staging, entries)
        share_key(forge, staging)
        _pull_notes(forge, staging, entries)
        for path in pull_books(forge, staging):
            if path.is_relative_to(forge.output / MEASURES):
                _take_measure(forge, path.read_text(encoding="utf-8"))


def _pull_notes(forge: ForgeOnDisk, staging: MirroredFolder, entries: Iterable[ChannelEntry]) -> None:
    state = forge.output / "cache" / "shared-notes.json"
    known, listed = read_etags(state), staging.note_files(entries)
    for name, etag in listed.items():
        if known.get(name) != etag and len(PurePosixPath(name).parts) == 2:
            found = staging.objects.read(name)
            if found is not None:
                write_whole(staging.path / name, found.content.decode("utf-8", "replace"))
    if known != listed:
        write_whole(state, json.dumps(listed))


def _take_measure(forge: ForgeOnDisk, text: str) -> None:
    """What a build on another machine took; what cannot be read is left out."""
    try:
        value = json.loads(text)
        identity = VariantId(str(value["package"]), str(value["partition"]))
        measure = Measure(float(value["seconds"]), int(value["memory"]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return
    keep_measure(forge.output, identity, measure)


def share_measure(forge: ForgeOnDisk, identity: VariantId, measure: Measure) -> None:
    """Remember what a build took, on all machines."""
    keep_measure(forge.output, identity, measure)
    if forge.mirror is not None:
        place = book_of(forge, MEASURES, identity)
        value = {"package": identity.package, "partition": identity.partition}
        keep_book(forge, place, json.dumps({**value, "seconds": measure.seconds, "memory": measure.memory}))
