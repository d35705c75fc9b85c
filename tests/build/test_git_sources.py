"""What a git source means now, asked of real repositories."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from git_repository import GitRepository

from wvforge_dagster.build.git_sources import resolve_commit
from wvforge_dagster.core.errors import ForgeError


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    """A repository with a commit."""
    made = GitRepository(tmp_path / "source")
    made.commit(a="1")
    return made


def ask(repository: GitRepository, revision: str | None = None, folder: Path | None = None) -> str:
    source: dict[str, Any] = {"git": repository.url} | ({"rev": revision} if revision else {})
    return resolve_commit(source, folder or repository.folder, dict(os.environ))


def test_a_source_without_a_revision_is_the_head(repository: GitRepository) -> None:
    assert ask(repository) == repository.git("rev-parse", "HEAD")


@pytest.mark.parametrize("address", ["--upload-pack=touch made;", "ext::touch made", "fd::17", "-c"])
def test_what_is_no_address_is_refused_with_a_remedy_that_helps(address: str, tmp_path: Path) -> None:
    with pytest.raises(ForgeError, match=r"is not the address of a repository; mend the git source in the recipe$"):
        resolve_commit({"git": address, "rev": "0" * 40}, tmp_path, dict(os.environ))
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("revision", ["refs/heads/next", "next"])
def test_a_branch_is_its_last_commit(repository: GitRepository, revision: str) -> None:
    repository.git("checkout", "--quiet", "-b", "next")
    first = repository.commit(a="2")
    assert ask(repository, revision) == first
    second = repository.commit(a="3")
    repository.git("checkout", "--quiet", "main")
    assert ask(repository, revision) == second


@pytest.mark.parametrize("revision", ["refs/tags/v1", "v1"])
@pytest.mark.parametrize("how", [["tag", "v1"], ["tag", "--annotate", "--message", "first", "v1"]])
def test_a_tag_is_the_commit_that_it_points_at(repository: GitRepository, how: list[str], revision: str) -> None:
    tagged = repository.git("rev-parse", "HEAD")
    repository.git(*how)
    repository.commit(a="2")
    assert ask(repository, revision) == tagged


def test_a_longer_name_that_ends_like_the_revision_is_another_one(repository: GitRepository) -> None:
    tagged = repository.git("rev-parse", "HEAD")
    repository.git("tag", "v1")
    repository.commit(a="2")
    repository.git("tag", "old/v1")
    repository.git("branch", "refs/tags/v1")
    assert ask(repository, "v1") == ask(repository, "refs/tags/v1") == tagged
    with pytest.raises(ForgeError, match="there is no such revision"):
        ask(repository, "tags/old")


def test_a_commit_is_itself_and_nobody_is_asked(tmp_path: Path) -> None:
    commit = "0123456789" * 4
    assert resolve_commit({"git": (tmp_path / "gone").as_uri(), "rev": commit}, tmp_path, {}) == commit


def test_digits_are_a_tag_where_there_is_one_and_an_abbreviated_commit_elsewhere(repository: GitRepository) -> None:
    repository.git("tag", "20240501")
    assert len(ask(repository, "20240501")) == 40
    assert ask(repository, "0123abc") == "0123abc"


def test_an_unknown_revision_is_named_with_its_repository(repository: GitRepository) -> None:
    with pytest.raises(ForgeError) as caught:
        ask(repository, "refs/tags/v9")
    assert str(caught.value) == (
        f"source {repository.url}@refs/tags/v9: there is no such revision; mend the tag or branch in the recipe"
    )


def test_a_repository_that_is_not_there_is_a_fault_in_gits_words(tmp_path: Path) -> None:
    source = {"git": (tmp_path / "gone").as_uri(), "rev": "refs/tags/v1"}
    with pytest.raises(ForgeError, match=r"gone@refs/tags/v1: cannot be asked: .*gone.*; try again later"):
        resolve_commit(source, tmp_path, dict(os.environ))


def test_a_relative_address_is_relative_to_the_recipe(repository: GitRepository) -> None:
    recipe = repository.folder.parent / "pkgs" / "a"
    recipe.mkdir(parents=True)
    assert resolve_commit({"git": "../../source"}, recipe, dict(os.environ)) == ask(repository)


def test_a_revision_that_looks_like_an_option_is_a_revision(repository: GitRepository) -> None:
    with pytest.raises(ForgeError, match="there is no such revision"):
        ask(repository, "--upload-pack=touch")
