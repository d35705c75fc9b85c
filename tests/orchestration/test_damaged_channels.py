"""What somebody did to the channels by hand is found, named and mended by the next build; it blocks nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from small_forge import SmallForge

from orchestration.making import make, make_and_publish, publish
from wvforge_dagster.orchestration.evidence import mend_channels


def only_file(folder: Path) -> Path:
    (path,) = folder.glob("*/*.conda")
    return path


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"cut")], ids=["removed", "cut"])
def test_a_published_file_that_is_gone_or_cut_is_not_called_published_and_is_put_back(
    small_forge: SmallForge, damage: Callable[[Path], object]
) -> None:
    small_forge.package("a")
    make_and_publish(small_forge, "a")
    damage(only_file(small_forge.root / "output" / "channel"))
    assert small_forge.states() == {"a": "staged"}
    publish(small_forge, "a")
    assert small_forge.states() == {"a": "published"}


@pytest.mark.parametrize("channel", ["staging", "channel"])
def test_a_named_pipe_in_the_place_of_a_package_holds_up_nothing(small_forge: SmallForge, channel: str) -> None:
    small_forge.package("a")
    small_forge.package("b")
    make_and_publish(small_forge, "a")
    pipe = only_file(small_forge.root / "output" / channel)
    pipe.unlink()
    os.mkfifo(pipe)
    mend_channels(small_forge.open())
    assert small_forge.states() == {"a": "published" if channel == "staging" else "staged", "b": "missing"}
    make_and_publish(small_forge, "a", "b")
    assert small_forge.states() == {"a": "published", "b": "published"}


@pytest.mark.parametrize("channel", ["staging", "channel"])
def test_an_index_that_cannot_be_read_is_written_anew(small_forge: SmallForge, channel: str) -> None:
    small_forge.package("a")
    make_and_publish(small_forge, "a")
    (small_forge.root / "output" / channel / "noarch" / "repodata.json").write_text("{")
    mend_channels(small_forge.open())
    assert small_forge.states() == {"a": "published"}


def test_a_package_that_no_index_lists_is_found_before_anything_is_built(small_forge: SmallForge) -> None:
    small_forge.package("a")
    make_and_publish(small_forge, "a")
    staging = small_forge.root / "output" / "staging" / "noarch"
    for index in staging.glob("repodata*"):
        index.unlink()
    shutil.rmtree(small_forge.root / "output" / "channel")
    assert small_forge.states() == {"a": "missing"}
    mend_channels(small_forge.open())
    assert small_forge.states() == {"a": "staged"}


def test_a_target_that_cannot_be_written_stops_the_upload_and_not_the_build(small_forge: SmallForge) -> None:
    small_forge.write("occupied", "a file, not a folder")
    small_forge.configure(channels=[], variants=[], publish=[{"file": "occupied"}])
    small_forge.package("a", test="test -f $PREFIX/share/a.txt")
    make(small_forge, "a")
    assert small_forge.states() == {"a": "staged"}


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        ('package: {name: "", version: "1"}', "name"),
        (
            'package: {name: a, version: "1"}\nbuild: {noarch: generic, string: "a-b"}',
            "build.string: 'a-b' cannot be part",
        ),
    ],
)
def test_a_name_that_would_be_read_as_another_is_refused_and_the_rest_is_built(
    small_forge: SmallForge, recipe: str, reason: str
) -> None:
    small_forge.recipe("bad", recipe)
    small_forge.package("good")
    make(small_forge, "good")
    assert reason in small_forge.why_broken("bad")
