"""Several processes that publish to one channel at a time, and what is there afterwards, read without the code under test."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from channels.packages import make_package

from wvforge_dagster.channels import s3
from wvforge_dagster.channels.beside import SBOM, STATEMENT
from wvforge_dagster.channels.credentials import read_credentials
from wvforge_dagster.channels.opening import open_channel
from wvforge_dagster.channels.targets import parse_target
from wvforge_dagster.core.package_file import PackageFile

TESTS_FOLDER = Path(__file__).parents[1]
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "not-a-secret"}
WITHOUT_TURNS = "WVFORGE_TEST_WITHOUT_TURNS"
"""Variable that makes publishers of S3 write the index whenever they like: what keeps it true must not be the turns."""


@dataclass(frozen=True)
class Round:
    """One round: how long it took and what does not hold after it."""

    seconds: float
    faults: tuple[str, ...]


def make_packages(folder: Path, publishers: int, packages: int) -> list[list[PackageFile]]:
    """The packages of each publisher, of names of their own."""
    return [
        [make_package(folder / str(who), f"p{who}-{number}") for number in range(packages)] for who in range(publishers)
    ]


def documents_of(package: PackageFile) -> dict[str, bytes]:
    """What is put beside a package: something that no other package has."""
    return {SBOM: f'{{"of": "{package.sha256}"}}'.encode(), STATEMENT: f'{{"for": "{package.filename}"}}'.encode()}


def publish_at_once(
    target: Mapping[str, Any], packages: Sequence[Sequence[PackageFile]], *, turns: bool = True, seconds: float = 3600
) -> list[str]:
    """Publish to the target, each list in a process of its own, one package after the other. Returns what went wrong."""
    environment = {**os.environ, **KEYS, "PYTHONPATH": str(TESTS_FOLDER)}
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "RATTLER_AUTH_FILE"):
        environment.pop(name, None)
    if not turns:
        environment[WITHOUT_TURNS] = "1"
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "integration.publishers", json.dumps(dict(target)), *(str(p.path) for p in own)],
            env=environment,
            cwd=TESTS_FOLDER.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for own in packages
    ]
    faults = []
    for process in running:
        said, _ = process.communicate(timeout=seconds)
        if process.returncode != 0:
            faults.append(f"a publisher ended with {process.returncode}: {said[-500:]}")
    return faults


def folder_round(folder: Path, packages: Sequence[Sequence[PackageFile]]) -> Round:
    """Publish to a new folder channel, and look."""
    channel = folder / uuid.uuid4().hex
    started = time.monotonic()
    faults = publish_at_once({"file": str(channel)}, packages)
    seconds = time.monotonic() - started
    files = {
        path.relative_to(channel).as_posix(): path.read_bytes() for path in channel.glob("noarch/*") if path.is_file()
    }
    return Round(seconds, (*faults, *what_is_wrong(files, packages)))


def s3_round(server: str, packages: Sequence[Sequence[PackageFile]], *, turns: bool = True) -> Round:
    """Publish to a new bucket of the server, and look."""
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=server,
        region_name="us-east-1",
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
    )
    bucket = f"bucket-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=bucket)
    target = {
        "s3": f"{bucket}/forge",
        "endpoint-url": server,
        "region": "us-east-1",
        "force-path-style": True,
    }
    started = time.monotonic()
    faults = publish_at_once(target, packages, turns=turns)
    seconds = time.monotonic() - started
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="forge/noarch/", Delimiter="/")
    keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
    files = {key.removeprefix("forge/"): client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}
    return Round(seconds, (*faults, *what_is_wrong(files, packages)))


def what_is_wrong(files: Mapping[str, bytes], packages: Sequence[Sequence[PackageFile]]) -> Iterator[str]:
    """What is lost, corrupt or untrue among the files of a channel."""
    wanted = {f"noarch/{package.filename}": package for own in packages for package in own}
    index = json.loads(files.get("noarch/repodata.json", b"{}")).get("packages.conda", {})
    there = {name for name in files if name.endswith(".conda")}
    for name in sorted(wanted.keys() ^ there):
        yield f"{name} {'is lost' if name in wanted else 'is no package that was published'}"
    for name in sorted(wanted.keys() ^ {f"noarch/{name}" for name in index}):
        yield f"{name} {'has no entry in the index' if name in wanted else 'is listed and was not published'}"
    for name, package in wanted.items():
        if name in files and hashlib.sha256(files[name]).hexdigest() != package.sha256:
            yield f"{name} is corrupt"
        entry = index.get(package.filename)
        if entry is not None and (entry["sha256"], entry["size"]) != (package.sha256, package.size):
            yield f"{name} is listed with another sha256 or size"
        for ending, content in documents_of(package).items():
            if files.get(name + ending) != content:
                yield f"{name}{ending} is lost or corrupt"
    for name in files:
        if name.endswith((".part", ".corrupt", ".tmp")):
            yield f"{name} was left"


def main() -> None:
    """One publisher: the target as JSON, then the packages."""
    if os.environ.get(WITHOUT_TURNS):
        s3.turn = lambda *_, **__: nullcontext()  # type: ignore[assignment]
    target = parse_target(json.loads(sys.argv[1]), "target")
    for file in sys.argv[2:]:
        package = PackageFile.read(Path(file), "noarch")
        channel = open_channel(target, Path.cwd(), read_credentials(os.environ))
        channel.publish([package], {package.sha256: documents_of(package)})


if __name__ == "__main__":
    main()
