from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wvforge_dagster.core.digest import content_digest, digest, digest_files, digest_tree

NAMES = st.text(alphabet="abcxyz09._-é", min_size=1, max_size=8).filter(lambda name: name not in (".", "..", ".git"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def shuffled(value: Any, randomness: random.Random) -> Any:
    """The same value with the keys of its mappings in another order."""
    if isinstance(value, dict):
        keys = list(value)
        randomness.shuffle(keys)
        return {key: shuffled(value[key], randomness) for key in keys}
    return [shuffled(item, randomness) for item in value] if isinstance(value, list) else value


@given(JSON, st.randoms(use_true_random=False))
def test_a_digest_does_not_depend_on_the_order_of_keys(value: Any, randomness: random.Random) -> None:
    assert digest(value) == digest(shuffled(value, randomness))


@given(JSON, JSON)
def test_two_values_have_two_digests(one: Any, other: Any) -> None:
    same = repr(shuffled_sorted(one)) == repr(shuffled_sorted(other))
    assert (digest(one) == digest(other)) is same


def shuffled_sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shuffled_sorted(value[key]) for key in sorted(value)}
    return [shuffled_sorted(item) for item in value] if isinstance(value, list) else value


def write(folder: Path, files: dict[str, bytes], order: list[str]) -> None:
    for name in order:
        (folder / name).write_bytes(files[name])


@given(
    files=st.dictionaries(NAMES, st.binary(max_size=20), min_size=1, max_size=5),
    randomness=st.randoms(use_true_random=False),
)
def test_a_folders_digest_depends_on_content_only(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], randomness: random.Random
) -> None:
    one, other = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("other")
    order = list(files)
    write(one, files, order)
    randomness.shuffle(order)
    write(other, files, order)
    for name in files:
        os.utime(other / name, (1, 1))
    assert digest_tree(one) == digest_tree(other)
    victim = order[0]
    (other / victim).write_bytes(files[victim] + b"!")
    assert digest_tree(one) != digest_tree(other)


def edit(path: Path) -> None:
    path.write_text("changed")


def link(path: Path) -> None:
    path.unlink()
    path.symlink_to("elsewhere")


@pytest.mark.parametrize(
    "change",
    [edit, link, lambda path: path.chmod(0o755), lambda path: path.rename(path.with_name("b")), Path.unlink],
    ids=["content", "link", "mode", "name", "removed"],
)
def test_a_folders_digest_changes_with(tmp_path: Path, change: Callable[[Path], object]) -> None:
    folder = tmp_path / "sub"
    folder.mkdir()
    (folder / "a").write_text("content")
    before = digest_tree(tmp_path)
    change(folder / "a")
    assert digest_tree(tmp_path) != before


def test_a_folders_digest_ignores_caches_times_and_other_mode_bits(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("content")
    before = digest_tree(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_text("x")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("x")
    (tmp_path / "a").chmod(0o600)
    os.utime(tmp_path / "a", (5, 5))
    assert digest_tree(tmp_path) == before


def test_links_are_not_followed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "secret").write_text("1")
    (inside / "folder").symlink_to(outside)
    (inside / "loop").symlink_to(inside)
    before = digest_tree(inside)
    (outside / "secret").write_text("2")
    assert digest_tree(inside) == before
    assert digest_files(inside) == {"folder": f"link:{outside}", "loop": f"link:{inside}"}


def test_what_cannot_be_read_as_a_file_still_has_a_digest(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert digest_files(tmp_path) == {"pipe": "special"}
    assert digest_tree(tmp_path / "nothing") == "missing"


def test_files_can_be_left_out_by_path(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("recipe.yaml", "sub/recipe.yaml"):
        (tmp_path / name).write_text("x")
    assert list(digest_files(tmp_path, without=["recipe.yaml"])) == ["sub/recipe.yaml"]


INDEX = {"name": "a", "version": "1", "build": "h_0", "build_number": 0, "depends": ["b"], "timestamp": 5}
PATHS = [{"_path": "bin/a", "sha256": "1"}, {"_path": "bin/b", "sha256": "2"}]
ABOUT = {"license": "MIT", "channels": ["x"], "extra": {"wvforge": {}}}


def test_a_content_digest_ignores_time_number_order_and_record() -> None:
    again = content_digest(
        {**INDEX, "timestamp": 9, "build": "h_1", "build_number": 1},
        reversed(PATHS),
        {**ABOUT, "channels": [], "extra": {}},
        {},
    )
    assert again == content_digest(INDEX, PATHS, ABOUT, {})


@pytest.mark.parametrize(
    ("index", "paths", "about"),
    [
        ({**INDEX, "depends": ["c"]}, PATHS, ABOUT),
        ({**INDEX, "version": "2"}, PATHS, ABOUT),
        (INDEX, [PATHS[0], {"_path": "bin/b", "sha256": "3"}], ABOUT),
        (INDEX, PATHS[:1], ABOUT),
        (INDEX, PATHS, {**ABOUT, "license": "GPL"}),
    ],
)
def test_a_content_digest_changes_with_what_solvers_and_users_see(index: Any, paths: Any, about: Any) -> None:
    assert content_digest(index, paths, about, {}) != content_digest(INDEX, PATHS, ABOUT, {})


def test_a_content_digest_changes_with_what_is_exported_to_dependents() -> None:
    exported = {"weak": ["cumm >=0.7"]}
    assert content_digest(INDEX, PATHS, ABOUT, exported) != content_digest(INDEX, PATHS, ABOUT, {})
