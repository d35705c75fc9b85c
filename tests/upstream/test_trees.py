"""Laying wheels out as a prefix."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from upstream.registry import Registry
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.upstream.manifest import Pinned, Tree
from wvforge_dagster.upstream.trees import lay_out_tree


def lay_out(registry: Registry, tmp_path: Path, files: dict[str, str], **keys: object) -> Path:
    pins = registry.wheel("tool", "1.0", files)
    entry = Tree.model_validate(
        {"name": "tool", "version": "1.0", "wheels": [Pinned(pip="tool==1.0", sha256=pins)], **keys}
    )
    tree = tmp_path / "tree"
    lay_out_tree(entry, [registry.folder / name for name in pins], tree, tmp_path / "licenses")
    return tree


def files_of(tree: Path) -> list[str]:
    return sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*") if not path.is_dir())


def test_the_longest_match_decides_and_the_rest_is_left_out(registry: Registry, tmp_path: Path) -> None:
    files = {
        "tool/data/bin/x": "#!/bin/sh\n",
        "tool/data/share/y": "",
        "tool/data/z": "",
        "tool/__init__.py": "",
    }
    layout = {"tool/data/": "share/tool/", "tool/data/bin/": "bin/", "tool/data/share/y": "etc/why"}
    tree = lay_out(registry, tmp_path, files, layout=layout)
    assert files_of(tree) == ["bin/x", "etc/why", "share/tool/z"]


def test_programs_can_be_run_and_other_files_cannot(registry: Registry, tmp_path: Path) -> None:
    files = {"d/bin/x": "#!/bin/sh\n", "d/bin/x.profile": "text", "d/lib/y": "#!/bin/sh\n"}
    tree = lay_out(registry, tmp_path, files, layout={"d/": ""}, write={"bin/w": "#!/bin/sh\n", "etc/w": "a"})
    assert [name for name in files_of(tree) if os.access(tree / name, os.X_OK)] == ["bin/w", "bin/x"]


def test_text_is_replaced_links_are_made_and_patterns_left_out(registry: Registry, tmp_path: Path) -> None:
    tree = lay_out(
        registry,
        tmp_path,
        {"d/p": "lib64", "d/lib/a.so.1": "", "d/doc/x": ""},
        layout={"d/": ""},
        omit=["doc/*"],
        replace={"p": {"lib64": "lib"}},
        links={"lib/a.so": "a.so.1"},
    )
    assert (tree / "p").read_text() == "lib"
    assert (tree / "lib/a.so").readlink() == Path("a.so.1")
    assert files_of(tree) == ["lib/a.so", "lib/a.so.1", "p"]


def test_text_that_is_not_there_is_a_fault_that_names_package_and_file(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(ForgeError, match="tool: p: the text to be replaced is not there: 'lib64'"):
        lay_out(registry, tmp_path, {"d/p": "lib"}, layout={"d/": ""}, replace={"p": {"lib64": "lib"}})


def test_a_wheel_whose_paths_lead_out_is_refused(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(ForgeError, match="leads out of it"):
        lay_out(registry, tmp_path, {"d/../../evil": ""}, layout={"d/": ""})
    assert not (tmp_path / "evil").exists()
