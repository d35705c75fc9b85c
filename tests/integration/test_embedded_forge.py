"""The embedded forge, built by the real engine from real sources: what the quick start promises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import rattler

from integration.commands import run, states, statuses
from wvforge_dagster.rattler_calls import wait_for

pytestmark = pytest.mark.integration
COLUMNS = [(cuda, python) for cuda in ("13.0", "13.2") for python in ("3.12", "3.13")]


def test_every_package_variant_is_published(embedded_forge: Path) -> None:
    found = states(embedded_forge)
    assert set(found.values()) == {"published"}
    assert {partition for package, partition in found if package == "numcu"} == {f"{c}|{p}" for c, p in COLUMNS}


def test_a_second_build_finds_nothing_to_do(embedded_forge: Path) -> None:
    before = statuses(embedded_forge)
    again = run("wvforge", "--forge", str(embedded_forge), "build")
    assert again.returncode == 0
    assert "making " not in again.stdout
    assert statuses(embedded_forge) == before


@pytest.mark.parametrize(("cuda", "python"), COLUMNS)
def test_the_top_package_resolves_in_each_column_from_the_channel_and_the_upstream(
    embedded_forge: Path, cuda: str, python: str
) -> None:
    output = embedded_forge / "output"
    solved = wait_for(
        rattler.solve(
            [(output / "channel").as_uri(), (output / "upstream").as_uri()],
            ["numcu-check", f"python {python}.*", f"cuda-version {cuda}.*"],
            platforms=["linux-64", "noarch"],
            virtual_packages=rattler.VirtualPackage.detect(),
        )
    )
    names = {str(record.name.normalized): record for record in solved}
    assert {"numcu-check", "numcu", "cuvec"} <= set(names)
    assert str(names["numcu"].build).startswith(f"py{python.replace('.', '')}")


def test_the_channel_lists_exactly_its_files_with_their_true_hashes(embedded_forge: Path) -> None:
    import hashlib

    channel = embedded_forge / "output" / "channel"
    listed = {
        (subdir, name): entry["sha256"]
        for subdir in ("noarch", "linux-64")
        for name, entry in json.loads((channel / subdir / "repodata.json").read_text())["packages.conda"].items()
    }
    there = {
        (path.parent.name, path.name): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in channel.glob("*/*.conda")
    }
    assert listed == there
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in channel.glob("*/*.conda"))
