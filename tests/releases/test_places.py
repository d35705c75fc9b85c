"""Where releases are listed, by the addresses of sources."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from core.values import output, recipe
from pip._internal.models.index import PyPI

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.recipe import Recipe
from wvforge_dagster.releases.places import Place, place_of, wanted_versions

HASH = "ab" * 30
COMMIT = "0123456789" * 4


def with_sources(*sources: dict[str, Any], version: str = "1.2.3", **own: Any) -> Recipe:
    made = output("thing")
    rendered = made.rendered | {"source": list(sources), "extra": {"wvforge": own}}
    return recipe("thing", replace(made, version=version, rendered=rendered))


def place(url: str, version: str = "1.2.3") -> Place | None:
    return place_of(with_sources({"url": url, "sha256": "0" * 64}, version=version))


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://x.org/packages/source/t/thing/thing-1.2.3.tar.gz", "https://x.org/simple/thing/"),
        (f"https://{PyPI.file_storage_domain}/packages/ab/cd/{HASH}/thing-1.2.3.tar.gz", f"{PyPI.simple_url}/thing/"),
        ("https://x.org/packages/source/t/My_Thing/My_Thing-1.2.3.zip", "https://x.org/simple/my-thing/"),
        (
            f"https://x.org:8/base/packages/ab/cd/{HASH}/thing-1.2.3-py3-none-any.whl",
            "https://x.org:8/base/simple/thing/",
        ),
        (
            "https://x.org/repository/py/packages/thing/1.2.3/thing-1.2.3.tar.gz",
            "https://x.org/repository/py/simple/thing/",
        ),
    ],
)
def test_a_file_of_an_index_is_followed_in_that_index(url: str, address: str) -> None:
    found = place(url)
    assert found is not None
    assert (found.kind, found.address) == ("index", address)


def test_of_an_index_only_files_of_the_same_kind_are_releases() -> None:
    archive = place("https://x.org/packages/source/t/thing/thing-1.2.3.tar.gz")
    wheel = place("https://x.org/packages/py3/t/thing/thing-1.2.3-py3-none-any.whl") or place(
        f"https://x.org/packages/ab/cd/{HASH}/thing-1.2.3-py3-none-any.whl"
    )
    assert archive is not None
    assert wheel is not None
    names = ["thing-1.3.tar.gz", "thing-1.04-py3-none-any.whl", "thing-1.5.exe", "thing-x.tar.gz"]
    assert [archive.version_in(name) for name in names] == ["1.3", None, None, None]
    assert [wheel.version_in(name) for name in names] == [None, "1.04", None, None]


@pytest.mark.parametrize(
    ("url", "repository", "tag", "version"),
    [
        ("https://github.com/a/b/archive/refs/tags/v1.2.3.tar.gz", "https://github.com/a/b", "v2.0", "2.0"),
        ("https://github.com/a/b/archive/1.2.3.zip", "https://github.com/a/b", "2.0", "2.0"),
        ("https://github.com/a/b/archive/refs/tags/rel/1.2.3.tar.gz", "https://github.com/a/b", "rel/2.0", "2.0"),
        ("https://github.com/a/b/releases/download/b-1.2.3/b.tar.xz", "https://github.com/a/b", "b-2.0", "2.0"),
        ("https://gitlab.com/a/x/b/-/archive/v1.2.3/b-v1.2.3.tar.gz", "https://gitlab.com/a/x/b", "v2.0", "2.0"),
        ("https://codeberg.org/a/b/archive/boost-1_2_3.tar.gz", "https://codeberg.org/a/b", "boost-1_3_0", "1.3.0"),
        (f"https://github.com/a/b/archive/{COMMIT}.tar.gz", "https://github.com/a/b", "v2.0", "2.0"),
        (f"https://github.com/a/b/archive/{COMMIT}.tar.gz", "https://github.com/a/b", "2.0", "2.0"),
    ],
)
def test_an_archive_of_a_repository_is_followed_by_its_tags(url: str, repository: str, tag: str, version: str) -> None:
    found = place(url)
    assert found is not None
    assert (found.kind, found.address, found.version_in(tag)) == ("tags", repository, version)
    assert found.version_in("nothing") is None


@pytest.mark.parametrize(
    ("revision", "tag", "commit"),
    [("refs/tags/v1.2.3", "v2.0", ""), ("release_1.2.3", "release_2.0", ""), (COMMIT, "v2.0", COMMIT)],
)
def test_a_git_source_is_followed_by_its_tags(revision: str, tag: str, commit: str) -> None:
    found = place_of(with_sources({"git": "https://x.org/a/b.git", "rev": revision}))
    assert found is not None
    assert (found.kind, found.address, found.version_in(tag), found.commit) == (
        "tags",
        "https://x.org/a/b.git",
        "2.0",
        commit,
    )


@pytest.mark.parametrize(
    ("url", "version", "folder", "name"),
    [
        ("https://x.org/src/thing-1.2.3.tar.xz", "1.2.3", "https://x.org/src/", "thing-2.0.tar.xz"),
        ("https://x.org/thing/1.2.3/thing-1.2.3.tgz", "1.2.3", "https://x.org/thing/", "2.0"),
        ("https://x.org/v1.2.3/a%20b/x.zip?y=1", "1.2.3", "https://x.org/", "v2.0"),
        (
            "https://x.org/packages/linux/x/other-1.2.3.tar.gz",
            "1.2.3",
            "https://x.org/packages/linux/x/",
            "other-2.0.tar.gz",
        ),
    ],
)
def test_another_archive_is_followed_in_its_folder(url: str, version: str, folder: str, name: str) -> None:
    found = place(url, version)
    assert found is not None
    assert (found.kind, found.address, found.version_in(name)) == ("folder", folder, "2.0")
    assert found.version_in(f"{name}.asc") is None or not found.ends


@pytest.mark.parametrize(
    "source",
    [
        {"path": "src-1.2.3"},
        {"url": "https://x.org/latest.tar.gz"},
        {"url": "https://x.org/thing-11.2.3.tar.gz"},
        {"url": "https://x.org/thing-1.2.3.4.tar.gz"},
        {"url": "file:///src/thing-1.2.3.tar.gz"},
        {"url": "thing-1.2.3.tar.gz"},
        {"url": "https://[x/thing-1.2.3.tar.gz"},
        {"git": "https://x.org/a", "rev": "main"},
        {"git": "../a", "rev": "refs/tags/v1.2.3"},
    ],
)
def test_a_source_that_tells_of_no_releases_is_not_followed(source: dict[str, Any]) -> None:
    assert place_of(with_sources(source)) is None


def test_a_source_with_the_version_goes_before_one_that_is_pinned() -> None:
    pinned = {"git": "https://x.org/a", "rev": COMMIT}
    found = place_of(with_sources(pinned, {"url": "https://x.org/thing-1.2.3.tar.gz"}))
    assert found is not None
    assert found.kind == "folder"


def test_a_recipe_says_what_is_followed() -> None:
    assert wanted_versions(with_sources()) == "*"
    assert wanted_versions(with_sources(updates="1.*")) == "1.*"
    assert wanted_versions(with_sources(updates="off")) is None
    assert wanted_versions(with_sources(updates=False)) is None
    with pytest.raises(ForgeError, match=r"extra\.wvforge\.updates: 7 is wrong; write a pattern of versions"):
        wanted_versions(with_sources(updates=7))


def test_no_credential_of_an_address_is_shown() -> None:
    assert str(place("https://user:secret@x.org/src/thing-1.2.3.tar.gz")) == "https://x.org/src/"
