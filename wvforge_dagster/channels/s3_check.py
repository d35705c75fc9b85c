"""An S3 channel compared with its index. Nothing is changed."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from wvforge_dagster.channels.package_archive import identify
from wvforge_dagster.channels.protocol import ChannelEntry, Discrepancy, Verified
from wvforge_dagster.channels.repodata import Listing, by_file
from wvforge_dagster.channels.s3_index import read_index
from wvforge_dagster.channels.s3_store import S3Store
from wvforge_dagster.channels.verification import MEND, TAKE_OUT, check_listed, check_unlisted
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.package_file import PackageFile


def verify_bucket(store: S3Store, subdirs: Sequence[str], *, label: str, quick: bool) -> Verified:
    """See `Channel.verify`.

    Raises:
        ForgeError: if the server cannot be reached, or refuses.
    """
    # The index is read after the objects are listed: what is put in between is asked for on its own.
    objects = {subdir: store.sizes(subdir) for subdir in subdirs}
    listing: Listing = {}
    findings = []
    for subdir in subdirs:
        found = store.read(f"{subdir}/repodata.json")
        where = f"{label}/{subdir}/repodata.json"
        if found is None:
            if objects[subdir]:
                findings.append(Discrepancy(where, "is not there", MEND))
            continue
        try:
            index = read_index(found.content, subdir, label=label)
        except ForgeError as fault:
            findings.append(Discrepancy(where, fault.what, MEND))
        else:
            listing |= by_file(index.entries)
            findings += index.findings(where, TAKE_OUT)

    def measure(entry: ChannelEntry) -> tuple[int, str | None] | None:
        name = f"{entry.subdir}/{entry.filename}"
        size = objects.get(entry.subdir, {}).get(entry.filename)
        if size is None:
            # Published while this looked.
            return None if store.sha256(name) is None else (entry.size, store.hash_of(name, most=entry.size))
        return size, None if quick or size != entry.size else store.hash_of(name, most=entry.size)

    def fault_of(subdir: str, filename: str) -> str | None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / filename
            try:
                if store.save(f"{subdir}/{filename}", path, most=objects[subdir][filename]):
                    identify(PackageFile.read(path, subdir))
            except ForgeError as fault:
                return fault.what
        return None

    names = {subdir: sorted(found) for subdir, found in objects.items()}
    findings += check_listed(listing, measure, label=label)
    findings += check_unlisted(names, listing, fault_of, label=label)
    unchecked = (f"platforms besides {', '.join(subdirs)}", *(("contents: only sizes were compared",) if quick else ()))
    return Verified(tuple(sorted(findings)), len(listing), unchecked)
