"""Taking packages out of the index of an S3 channel, before their objects go."""

from __future__ import annotations

from collections.abc import Set

from wvforge_dagster.channels.s3_store import S3Store
from wvforge_dagster.channels.shorter_index import shorter_index
from wvforge_dagster.core.errors import ForgeError


def shorten_index(store: S3Store, subdir: str, gone: Set[str], *, label: str) -> None:
    """Write the index of one platform without the packages `gone`, over the one that was read.

    Raises:
        ForgeError: if it cannot be written, or others write it all the time.
    """
    for _ in range(20):
        before = {f"{subdir}/repodata.json": store.read(f"{subdir}/repodata.json")}
        index = before[f"{subdir}/repodata.json"]
        if index is None:
            return
        files = [
            (f"{subdir}/{name}", content) for name, content in shorter_index(index.content, subdir, gone, label=label)
        ]
        before |= {name: store.read(name) for name, _ in files if name not in before}
        if all(
            ((found := before[name]) is not None and found.content == content)
            or store.put(name, content, instead_of=found, content_type=_content_type(name))
            for name, content in files
        ):
            return
    raise ForgeError(
        f"its index of {subdir} was not written: others write there", where=label, remedy="try again later"
    )


def _content_type(name: str) -> str:
    return "application/json" if name.endswith(".json") else "application/octet-stream"
