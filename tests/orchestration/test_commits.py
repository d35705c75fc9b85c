"""Git sources: the commit is part of what a package is made from, asked of its repository by builds and the nightly run."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from git_repository import GitRepository
from small_forge import SmallForge

from orchestration.making import make, make_and_publish, quiet, staged, why_not_made
from orchestration.payloads import payload
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.failure import FailureClass
from wvforge_dagster.core.inputs import NOT_ASKED
from wvforge_dagster.orchestration.commits import ask_commits, known_commits
from wvforge_dagster.orchestration.make import make_variant
from wvforge_dagster.orchestration.refreshing import refresh_everything

RECIPE = """
package: {{name: a, version: "1"}}
source: {source}
build: {{noarch: generic, script: "mkdir -p $PREFIX/share; cp word $PREFIX/share/a.txt"}}
"""


@pytest.fixture
def source(tmp_path: Path) -> GitRepository:
    """A repository whose file ``word`` says "one"."""
    made = GitRepository(tmp_path / "source")
    made.commit(word="one")
    return made


def built_from(forge: SmallForge, source: GitRepository, **revision: object) -> None:
    """Write the recipe of ``a``, which packs ``word`` of this revision."""
    described = "{" + ", ".join(f"{key}: {value}" for key, value in {"git": source.url, **revision}.items()) + "}"
    forge.recipe("a", RECIPE.format(source=described))


def commit_of(forge: SmallForge) -> dict[str, str]:
    """The git sources in the record of the package ``a``."""
    (artifact,) = forge.status("a").artifacts
    assert artifact.record is not None
    return dict(artifact.record.parts["sources"])


@pytest.mark.parametrize(
    ("how", "revision", "shown"),
    [
        (["tag", "--annotate", "--message", "first", "v1"], {"tag": "v1"}, "refs/tags/v1"),
        (["tag", "v1"], {"rev": "v1"}, "v1"),
        (["status"], {}, "HEAD"),
    ],
)
def test_a_package_says_which_commit_it_was_built_from(
    small_forge: SmallForge, source: GitRepository, how: list[str], revision: dict[str, str], shown: str
) -> None:
    source.git(*how)
    built_from(small_forge, source, **revision)
    make_and_publish(small_forge, "a")
    assert commit_of(small_forge) == {f"{source.url}@{shown}": f"commit {source.git('rev-parse', 'HEAD')}"}
    assert payload(small_forge, "a") == "one"


def test_a_commit_that_the_recipe_names_is_not_asked_for(small_forge: SmallForge, source: GitRepository) -> None:
    commit = source.git("rev-parse", "HEAD")
    source.commit(word="two")
    built_from(small_forge, source, rev=commit)
    make(small_forge, "a")
    assert payload(small_forge, "a") == "one"
    assert commit_of(small_forge) == {f"{source.url}@{commit}": f"commit {commit}"}


def test_the_status_asks_nobody(small_forge: SmallForge, source: GitRepository) -> None:
    built_from(small_forge, source, branch="main")
    parts = small_forge.status("a").expected[0].parts
    assert parts["sources"] == {f"{source.url}@refs/heads/main": NOT_ASKED}
    make(small_forge, "a")
    source.commit(word="two")
    assert small_forge.states() == {"a": "staged"}
    shutil.rmtree(source.folder)
    assert small_forge.states() == {"a": "staged"}


def test_a_moved_tag_makes_stale_when_it_is_asked_for_and_not_before(
    small_forge: SmallForge, source: GitRepository
) -> None:
    source.git("tag", "v1")
    built_from(small_forge, source, tag="v1")
    make_and_publish(small_forge, "a")
    old = source.git("rev-parse", "v1")
    new = source.commit(word="two")
    source.git("tag", "--force", "v1")
    assert small_forge.states() == {"a": "published"}
    assert make(small_forge, "a").ran is False
    assert refresh_everything(small_forge.open()) == {}
    status = small_forge.status("a")
    assert (status.state.value, status.reason) == (
        "stale",
        f"source {source.url}@refs/tags/v1: commit {old[:12]} -> commit {new[:12]}",
    )
    make_and_publish(small_forge, "a")
    assert payload(small_forge, "a") == "two"
    assert small_forge.states() == {"a": "published"}


def test_what_was_learned_of_a_tag_outlives_the_cache(small_forge: SmallForge, source: GitRepository) -> None:
    source.git("tag", "v1")
    built_from(small_forge, source, tag="v1")
    make_and_publish(small_forge, "a")
    shutil.rmtree(small_forge.root / "output/cache")
    assert small_forge.states() == {"a": "published"}


def test_a_build_takes_the_recorded_commit_although_the_branch_moved_on(
    small_forge: SmallForge, source: GitRepository
) -> None:
    built_from(small_forge, source, branch="main")
    recorded = source.git("rev-parse", "HEAD")
    assert ask_commits(small_forge.open(), ["a"]) == {}
    source.commit(word="two")
    make(small_forge, "a")
    assert payload(small_forge, "a") == "one"
    assert commit_of(small_forge) == {f"{source.url}@refs/heads/main": f"commit {recorded}"}


def test_a_recorded_commit_is_fetched_by_a_shallow_source_as_well(
    small_forge: SmallForge, source: GitRepository
) -> None:
    source.git("tag", "v1")
    built_from(small_forge, source, tag="v1", depth=1)
    assert ask_commits(small_forge.open(), ["a"]) == {}
    source.commit(word="two")
    source.git("tag", "--force", "v1")
    make(small_forge, "a")
    assert payload(small_forge, "a") == "one"


@pytest.mark.integration
def test_two_sources_are_pinned_each_to_its_own_commit(
    small_forge: SmallForge, source: GitRepository, tmp_path: Path
) -> None:
    other = GitRepository(tmp_path / "other")
    other.commit(more="first")
    text = f"[{{git: {source.url}, branch: main}}, {{git: {other.url}, target_directory: sub}}]"
    small_forge.recipe("a", RECIPE.format(source=text).replace("cp word", "cat word sub/more >"))
    ask_commits(small_forge.open(), ["a"])
    source.commit(word="two")
    other.commit(more="second")
    make(small_forge, "a")
    assert payload(small_forge, "a") == "onefirst"


TWO_OUTPUTS = """
recipe: {{name: m, version: "1"}}
build: {{noarch: generic}}
outputs:
  - package: {{name: left}}
    source: {{git: {left}, branch: main}}
    build: {{script: "mkdir -p $PREFIX/share; cp word $PREFIX/share/left.txt"}}
  - package: {{name: right}}
    source: {{git: {right}, branch: main}}
    build: {{script: "mkdir -p $PREFIX/share; cp word $PREFIX/share/right.txt"}}
"""


@pytest.mark.integration
def test_a_branch_that_moved_on_under_sources_that_cannot_be_pinned_is_built_by_the_next_build(
    small_forge: SmallForge, source: GitRepository, tmp_path: Path
) -> None:
    other = GitRepository(tmp_path / "other")
    other.commit(word="first")
    small_forge.recipe("m", TWO_OUTPUTS.format(left=source.url, right=other.url))
    ask_commits(small_forge.open(), ["m"])
    recorded, moved = source.git("rev-parse", "HEAD"), source.commit(word="two")
    failed = why_not_made(small_forge, "m")
    assert f"a git source is commit {moved[:12]} now, not {recorded[:12]}; build it again" in failed.failure.reason
    assert staged(small_forge) == []
    make(small_forge, "m")
    assert known_commits(small_forge.open())[f"{source.url}@refs/heads/main"] == moved
    assert len(staged(small_forge)) == 2


@pytest.mark.integration
def test_a_recorded_commit_that_is_gone_from_its_repository_is_asked_for_again_by_the_next_build(
    small_forge: SmallForge, source: GitRepository
) -> None:
    built_from(small_forge, source, branch="main")
    ask_commits(small_forge.open(), ["a"])
    source.commit(word="two")
    source.git("reflog", "expire", "--expire=now", "--all")
    source.git("checkout", "--quiet", "--orphan", "anew")
    source.commit(word="three")
    source.git("branch", "--move", "--force", "anew", "main")
    source.git("reflog", "expire", "--expire=now", "--all")
    source.git("gc", "--quiet", "--prune=now")
    failed = why_not_made(small_forge, "a")
    assert failed.failure.failure_class is FailureClass.FETCH, failed.failure.reason
    make(small_forge, "a")
    assert payload(small_forge, "a") == "three"


def test_a_repository_that_cannot_be_asked_is_a_failure_that_may_pass(
    small_forge: SmallForge, source: GitRepository
) -> None:
    built_from(small_forge, source, branch="main")
    hidden = source.folder.rename(source.folder.with_name("hidden"))
    failed = why_not_made(small_forge, "a")
    assert failed.failure.failure_class is FailureClass.FETCH
    assert f"source {source.url}@refs/heads/main: cannot be asked: " in failed.failure.reason
    assert small_forge.states() == {"a": "failed"}
    hidden.rename(source.folder)
    make_and_publish(small_forge, "a")
    assert small_forge.states() == {"a": "published"}


def test_a_tag_that_is_gone_is_a_fault_of_its_source_and_keeps_what_was_known(
    small_forge: SmallForge, source: GitRepository
) -> None:
    source.git("tag", "v1")
    built_from(small_forge, source, tag="v1")
    make_and_publish(small_forge, "a")
    source.git("tag", "--delete", "v1")
    key = f"{source.url}@refs/tags/v1"
    faults = refresh_everything(small_forge.open())
    assert list(faults) == [key]
    assert "there is no such revision" in str(faults[key])
    assert small_forge.states() == {"a": "published"}


def test_of_two_packages_of_one_source_each_knows_the_commit(small_forge: SmallForge, source: GitRepository) -> None:
    for name in ("a", "b"):
        small_forge.recipe(
            name,
            RECIPE.format(source=f"{{git: {source.url}}}").replace("name: a", f"name: {name}"),
        )
    make(small_forge, "a")
    source.commit(word="two")
    made = make_variant(small_forge.open(), VariantId("b"), quiet)
    assert made.artifacts[0].record is not None
    sources = [small_forge.status(name).expected[0].parts["sources"] for name in ("a", "b")]
    assert sources[0] == sources[1], "one commit for one revision, in the whole forge"


def test_packages_that_ask_at_the_same_time_lose_no_answer(small_forge: SmallForge, source: GitRepository) -> None:
    names = [f"p{number}" for number in range(8)]
    for name in names:
        source.git("branch", name)
        text = RECIPE.format(source=f"{{git: {source.url}, branch: {name}}}")
        small_forge.recipe(name, text.replace("name: a", f"name: {name}"))
    forge = small_forge.open()
    with ThreadPoolExecutor(len(names)) as pool:
        assert all(faults == {} for faults in pool.map(lambda name: ask_commits(forge, [name]), names))
    assert len(known_commits(forge)) == len(names)
