"""An index without some of its packages, made while their files are still there: readers never meet a listed file that is gone.

py-rattler indexes what lies in a folder. Of a package that an index lists already it looks at the name only (0.28), so empty
files of the names that stay are all that it needs.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Set
from pathlib import Path

from rattler.index import index_fs
from rattler.platform import Subdir

from wvforge_dagster.channels.repodata import is_plain_name
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.rattler_calls import first_line, wait_for

LAST = ("repodata.json.zst", "repodata.json", "repodata_shards.msgpack.zst")
"""The files of an index that are replaced, in the order in which py-rattler writes them; shards come before, and are added."""


def shorter_index(repodata: bytes, subdir: str, gone: Set[str], *, label: str) -> list[tuple[str, bytes]]:
    """The files of the index of one platform without the packages `gone`, with their names, in the order to write them.

    Args:
        repodata: the repodata.json as it is.
        gone: filenames.

    Raises:
        ForgeError: if it cannot be made.
    """
    index = json.loads(repodata)
    listed = {name for section in ("packages", "packages.conda") for name in index.get(section, {})}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / subdir
        folder.mkdir()
        (folder / "repodata.json").write_bytes(repodata)
        for name in filter(is_plain_name, listed - gone):
            # What has another name is no package, and would be written elsewhere.
            (folder / name).touch()
        try:
            wait_for(index_fs(folder.parent, Subdir(subdir)))
        except Exception as error:  # rattler has no common class of its errors
            raise ForgeError(f"its index cannot be written: {first_line(error)}", where=label) from None
        shards = sorted(folder.glob("shards/*"))
        return [
            *((f"shards/{path.name}", path.read_bytes()) for path in shards),
            *((name, (folder / name).read_bytes()) for name in LAST),
        ]
