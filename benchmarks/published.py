"""Publishes every package variant of a forge without building it, to measure forges of sizes that would take hours to build.

    python benchmarks/published.py FORGE

The archives are written here, not by the engine: a file, and the lists that a package has. Their records, their digests, the
notes beside them and the indexes are made by what makes them of a build, so that states are derived from them as ever; a level
of the graph at a time, since the digests of a level are made of the contents of those below it.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conda_package_streaming.create import conda_builder

from wvforge_dagster.build.inspect import inspect_package
from wvforge_dagster.core.artifact import RECORD_KEY
from wvforge_dagster.core.catalog import PackageVariant
from wvforge_dagster.core.findings import CheckResult
from wvforge_dagster.core.package_file import PackageFile
from wvforge_dagster.core.severity import CHECKS
from wvforge_dagster.core.state import Expected, State
from wvforge_dagster.orchestration.building import build_request
from wvforge_dagster.orchestration.evidence import derive_statuses
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk, open_forge
from wvforge_dagster.orchestration.gate import entry_of, write_record
from wvforge_dagster.settings import read_settings


@dataclass(frozen=True)
class _Made:
    expected: Expected
    file: PackageFile


def publish_everything(forge: ForgeOnDisk) -> int:
    """Make, stage and publish every package variant. Returns how many packages.

    Raises:
        RuntimeError: if a state is another than ``published`` in the end.
    """
    count = 0
    for names in forge.catalog.levels():
        statuses = derive_statuses(forge)
        with tempfile.TemporaryDirectory(prefix="wvforge-packages-") as folder:
            made = [
                _Made(expected, _archive(forge, variant, expected, Path(folder)))
                for variant in forge.catalog.variants.values()
                if variant.id.package in names
                for expected in statuses[variant.id].expected
            ]
            _stage(forge, made)
            for _, channel in forge.targets:
                channel.publish([item.file for item in made])
        count += len(made)
    wrong = [status for status in derive_statuses(forge).values() if status.state is not State.PUBLISHED]
    if wrong:
        raise RuntimeError(f"{len(wrong)} are not published: {wrong[0].id} is {wrong[0].state}, {wrong[0].reason}")
    return count


def _stage(forge: ForgeOnDisk, made: list[_Made]) -> None:
    """As `staged_builds.stage`: each with the record that it passed its tests and checks."""
    passed = [CheckResult(name, ()) for name in CHECKS]
    for item in made:
        write_record(forge, entry_of(inspect_package(item.file)), item.expected, passed)
    forge.staging.publish([item.file for item in made])


def _archive(forge: ForgeOnDisk, variant: PackageVariant, expected: Expected, folder: Path) -> PackageFile:
    """The package of an output, as the engine would lay it out."""
    output = expected.output
    record = build_request(forge, variant, expected, output.build_number).record
    subdir = "noarch" if output.noarch else forge.forge.platform
    payload = f"{output.name}\n".encode()
    index = {
        "name": output.name,
        "version": output.version,
        "build": output.build_string,
        "build_number": output.build_number,
        "subdir": subdir,
        "arch": None,
        "platform": None,
        "depends": [requirement.spec for requirement in output.requirements["run"]],
        "license": "MIT",
        "timestamp": 1_700_000_000_000,
        **({"noarch": output.noarch} if output.noarch else {}),
    }
    path = {
        "_path": f"share/{output.name}",
        "path_type": "hardlink",
        "sha256": hashlib.sha256(payload).hexdigest(),
        "size_in_bytes": len(payload),
    }
    files: Mapping[str, bytes] = {
        f"share/{output.name}": payload,
        "info/index.json": _json(index),
        "info/about.json": _json({"license": "MIT", "extra": {RECORD_KEY: record.to_extra()}}),
        "info/paths.json": _json({"paths": [path], "paths_version": 1}),
    }
    stem = f"{output.name}-{output.version}-{output.build_string}"
    with conda_builder(stem, folder, compression_level=1) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return PackageFile.read(folder / f"{stem}.conda", subdir)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def main() -> None:
    print(f"{publish_everything(open_forge(read_settings(Path(sys.argv[1]))))} packages published")


if __name__ == "__main__":
    main()
