"""Child process: unpacks one package of a channel. ``python -m wvforge_dagster.build.variant_package_worker REQUEST``.

The request holds ``name``, ``version``, ``channels`` in order of priority, and the ``folder`` that the package's files go to.
One event: ``unpacked``, ``absent``, or ``failed`` with ``words``. What the package requires is left out. Of several builds the
first channel's with the highest number is taken, and its sha256 has to be the one that the channel lists.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import unquote, urlsplit

import rattler
from rattler.package_streaming import download_to_path, extract
from rattler.platform import Platform, Subdir

from wvforge_dagster.build.events import begin
from wvforge_dagster.build.words import solver_words
from wvforge_dagster.rattler_calls import first_line, wait_for


def main() -> None:
    request, events = begin()
    name, spec = request["name"], f"{request['name']} =={request['version']}"
    platforms = [Subdir(str(Platform.current())), Subdir("noarch")]
    for channel in request["channels"]:
        try:
            found = wait_for(rattler.Gateway().query([channel], platforms, [rattler.MatchSpec(spec)], recursive=False))
        except Exception as error:  # rattler has no common class of its errors
            events.send("failed", words=solver_words(error, [channel]))
            return
        records = [record for listed in found for record in listed if record.name.normalized == name]
        if records:
            record = max(records, key=lambda record: record.build_number)
            try:
                archive = _at_hand(record, Path(request["folder"]).parent)
                with archive.open("rb") as stream:
                    if hashlib.file_digest(stream, "sha256").digest() != record.sha256:
                        raise ValueError("is not the file that the channel lists")
                extract(archive, Path(request["folder"]))
            except Exception as error:
                events.send("failed", words=f"{record.file_name}: {first_line(error)}")
            else:
                events.send("unpacked")
            return
    events.send("absent")


def _at_hand(record: rattler.RepoDataRecord, folder: Path) -> Path:
    """The package as a file, downloaded where it has to be."""
    if record.url.startswith("file://"):
        return Path(unquote(urlsplit(record.url).path))
    archive = folder / record.file_name
    wait_for(download_to_path(rattler.networking.Client(timeout=60), record.url, archive))
    return archive


if __name__ == "__main__":
    main()
