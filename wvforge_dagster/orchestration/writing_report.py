"""Writing the report's site into a folder: each file whole, the first page last, and nothing of an older report left."""

from __future__ import annotations

import os
from pathlib import Path

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.whole_files import write_whole
from wvforge_dagster.report.model import Report
from wvforge_dagster.report.site import DATA, FOLDERS, site_files

DEFAULT = "report"
"""Below the forge's output."""


def write_report(forge: ForgeOnDisk, report: Report, folder: Path | None = None) -> Path:
    """Write the site of a report. Returns its first page.

    Args:
        folder: where to; None for ``report`` in the forge's output folder. A relative one is relative to the working folder.

    Raises:
        ForgeError: if the folder has something else in it, or cannot be written.
    """
    target = (folder or forge.output / DEFAULT).absolute()
    try:
        _refuse_foreign(target)
        # Logs are linked from a site that lies in the forge's output folder; elsewhere they may not be there.
        inside = target.is_relative_to(forge.output.absolute())
        logs = f"{Path(os.path.relpath(forge.output.absolute(), target)).as_posix()}/" if inside else None
        written = set()
        for name, text in site_files(report, logs=logs):
            write_whole(target / name, text)
            (target / name).chmod(0o644)
            written.add(target / name)
        for path in (path for name in FOLDERS for path in (target / name).glob("*.*")):
            if path not in written:
                path.unlink()
    except OSError as error:
        raise ForgeError(f"the report cannot be written: {error.strerror or error}", where=str(target)) from None
    return target / "index.html"


def _refuse_foreign(target: Path) -> None:
    if target.is_dir() and any(target.iterdir()) and not (target / DATA).is_file():
        raise ForgeError(
            f"has something in it, and no {DATA} of a report",
            where=str(target),
            remedy="name an empty or a new folder with --to",
        )
