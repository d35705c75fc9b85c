"""What every kind of channel compares alike: its listed packages with its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from wvforge_dagster.channels.beside import package_of
from wvforge_dagster.channels.package_archive import ENDINGS
from wvforge_dagster.channels.protocol import ChannelEntry, Discrepancy
from wvforge_dagster.channels.repodata import Listing

PUT_BACK = "--repair takes it out of the index, and wvforge build puts back what the forge has"
REPLACE = "wvforge channel replace puts the staged one in its place"
REPLACE_OR_LIST = f"{REPLACE}, or --repair lists it as it is"
MEND = "--repair writes it anew"
TAKE_OUT = "they count as nothing; --repair takes them out of the index"
ASK = "whoever runs the server has to mend that"
LOOK = "look at it, and remove it by hand"
ASIDE = ".corrupt"
"""Of what was set aside, because it is no package: ``NAME.conda.corrupt``, ``NAME.conda.corrupt2``."""

Measure = Callable[[ChannelEntry], tuple[int, str | None] | str | None]
"""Size and sha256 (None: not read) of the file of an entry; None if it is gone; in words, what is there in its place."""


def compare(entry: ChannelEntry, size: int, sha256: str | None, *, where: str, remedy: str) -> Discrepancy | None:
    """What is wrong with a listed file, by its size in bytes and, if it was read, by its sha256."""
    if size != entry.size:
        return Discrepancy(where, f"was changed: it has {size} bytes, and the index lists {entry.size}", remedy)
    if sha256 is not None and sha256 != entry.sha256:
        words = f"was changed: its sha256 is {sha256[:12]}, and the index lists {entry.sha256[:12]}"
        return Discrepancy(where, words, remedy)
    return None


def check_listed(listing: Listing, measure: Measure, *, label: str) -> list[Discrepancy]:
    """What is wrong with the files that are listed."""
    found = []
    for (subdir, filename), entry in listing.items():
        where = f"{label}/{subdir}/{filename}"
        measured = measure(entry)
        if measured is None:
            found.append(Discrepancy(where, "is listed, but not there", PUT_BACK))
        elif isinstance(measured, str):
            found.append(Discrepancy(where, f"is listed, and in its place is {measured}", PUT_BACK))
        elif (finding := compare(entry, *measured, where=where, remedy=REPLACE_OR_LIST)) is not None:
            found.append(finding)
    return found


def check_unlisted(
    names: Mapping[str, list[str]], listing: Listing, fault_of: Callable[[str, str], str | None], *, label: str
) -> list[Discrepancy]:
    """What lies beside the listed files and should not.

    Args:
        names: of all files, by platform.
        fault_of: why a file that looks like a package is none, by its platform and name; None if it is one.
    """
    found = []
    for subdir, filenames in names.items():
        for filename in filenames:
            where = f"{label}/{subdir}/{filename}"
            if filename.endswith(ENDINGS) and (subdir, filename) not in listing:
                fault = fault_of(subdir, filename)
                if fault is None:
                    found.append(Discrepancy(where, "is not listed", "--repair lists it, or remove it by hand"))
                else:
                    found.append(Discrepancy(where, f"is no package of this channel: {fault}", LOOK))
            elif filename.rpartition(ASIDE)[0].endswith(ENDINGS):
                found.append(Discrepancy(where, "was set aside: it is no package", LOOK))
            elif (package := package_of(filename)) is not None and package not in filenames:
                found.append(Discrepancy(where, "is left over: its package is gone", LOOK))
    return found
