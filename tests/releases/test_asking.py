"""Places asked for releases: a real repository, and a server that speaks the protocols of an index and lists folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from git_repository import GitRepository

from releases.release_server import ReleaseServer, release_server
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.releases.asking import ask
from wvforge_dagster.releases.places import Place
from wvforge_dagster.releases.versions import Release


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ReleaseServer]:
    with release_server(tmp_path / "served") as served:
        yield served


def versions(place: Place) -> list[str]:
    found = ask([place])[place]
    assert not isinstance(found, ForgeError), found
    return [release.version for release in found]


def test_tags_are_releases_with_the_commits_that_they_mean(tmp_path: Path) -> None:
    repository = GitRepository(tmp_path / "source")
    first = repository.commit(a="1")
    repository.git("tag", "v1.0")
    second = repository.commit(a="2")
    repository.git("tag", "--annotate", "--message", "second", "v2.0")
    repository.git("tag", "other")
    place = Place("tags", repository.url, ("v",))
    assert ask([place])[place] == (Release("1.0", first), Release("2.0", second))


def test_a_repository_on_a_web_server_is_asked_as_well(tmp_path: Path, server: ReleaseServer) -> None:
    repository = GitRepository(server.folder / "a" / "b")
    repository.commit(a="1")
    repository.git("tag", "1.0")
    repository.git("update-server-info")
    assert versions(Place("tags", f"{server.url}/a/b/.git")) == ["1.0"]


@pytest.mark.parametrize("html", [False, True])
def test_an_index_lists_files_of_which_some_were_taken_back(server: ReleaseServer, html: bool) -> None:
    server.html = html
    server.files["thing"] = [
        {"filename": "thing-1.0.tar.gz", "url": "x"},
        {"filename": "thing-1.1.tar.gz", "url": "x", "yanked": "broken"},
        {"filename": "thing-1.2-py3-none-any.whl", "url": "x", "yanked": False},
        {"filename": "thing-1.3.tar.gz", "url": "x", "yanked": False},
    ]
    address = f"{server.url}/simple/thing/"
    assert versions(Place("index", address, file="thing-1.0.tar.gz")) == ["1.0", "1.3"]
    assert versions(Place("index", address, file="thing-1.0-py3-none-any.whl")) == ["1.2"]


def test_a_folder_lists_files_and_folders(server: ReleaseServer) -> None:
    for name in ("thing-1.0.tar.gz", "thing-1.1.tar.gz", "thing-1.1.tar.gz.asc", "v2.0/thing.zip", "other-3.0.tar.gz"):
        path = server.folder / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert versions(Place("folder", f"{server.url}/src/", ("thing-",), ".tar.gz")) == ["1.0", "1.1"]
    assert versions(Place("folder", f"{server.url}/src/", ("v",))) == ["2.0"]


def test_what_does_not_answer_costs_only_itself(server: ReleaseServer, tmp_path: Path) -> None:
    (server.folder / "thing-1.0.zip").touch()
    server.hangs = {"/silent/"}
    server.floods = {"/flood/"}
    server.drips = {"/drip/"}
    (server.folder / "bad").mkdir()
    (server.folder / "bad" / "index.html").write_bytes(b"\xff\x00<a <a href=////[>" * 100)
    server.files["odd"] = [{"name": "no filename"}]
    with release_server(tmp_path / "other") as other:
        (other.folder / "thing-2.0.zip").touch()
        good = Place("folder", f"{other.url}/", ("thing-",), ".zip")
        places = {
            "silent": Place("folder", f"{server.url}/silent/"),
            "flood": Place("folder", f"{server.url}/flood/"),
            "drip": Place("folder", f"{server.url}/drip/"),
            "bad": Place("folder", f"{server.url}/bad/"),
            "odd": Place("index", f"{server.url}/simple/odd/", file="odd-1.0.tar.gz"),
            "gone": Place("folder", f"{server.url}/gone/"),
            "closed": Place("folder", "http://127.0.0.1:9/"),
            "git": Place("tags", f"{server.url}/nothing"),
            "option": Place("tags", "--upload-pack=touch made;"),
        }
        found = ask([*places.values(), good], silence_s=2.0)
    assert found[good] == (Release("2.0"),)
    words = {name: str(found[place]) for name, place in places.items() if name != "bad"}
    start = f"{server.url}/{{}}: cannot be asked for releases: "
    assert words["silent"] == start.format("silent/") + "no answer in time; try again later"
    assert words["flood"] == start.format("flood/") + "its answer has more than 32 MiB; try again later"
    assert found[places["bad"]] == ()
    assert words["drip"] == start.format("drip/") + "no whole answer in time; try again later"
    assert words["odd"] == start.format("simple/odd/") + "its answer cannot be understood; try again later"
    assert words["gone"].startswith(start.format("gone/") + "404 ")
    assert words["closed"].startswith("http://127.0.0.1:9/: cannot be asked for releases: ")
    assert "refused" in words["closed"]
    assert words["git"].startswith(start.format("nothing") + "fatal: ")
    assert words["option"].endswith("cannot be asked for releases: is not the address of a repository; try again later")
    assert not any("\n" in line for line in words.values())
