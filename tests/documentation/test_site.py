"""``make docs``: the site is made without a warning, and can be read without a network."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from integration.commands import environment, run

from documentation.markdown import PROJECT

pytestmark = pytest.mark.integration

# What a browser loads by itself, from another host than the page's.
_LOADED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?:https?:)?//|<link\b(?=[^>]*stylesheet)[^>]*href=["']?https?://"""
)


def test_the_site_is_made_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    done = run("mkdocs", "build", "--strict", "--site-dir", str(tmp_path), env=environment(NO_MKDOCS_2_WARNING="1"))
    assert done.returncode == 0, done.stdout
    made = sorted(tmp_path.glob("**/*.html"))
    assert {"index.html", "tutorial.html", "command.html", "own-forge.html"} <= {page.name for page in made}
    assert [page.name for page in made if _LOADED.search(page.read_text(encoding="utf-8"))] == []
    assert not [
        page
        for page in tmp_path.glob("**/*.css")
        if re.search(r"url\(['\"]?https?://", page.read_text(encoding="utf-8"))
    ]


def test_every_page_is_in_the_navigation() -> None:
    listed = set(re.findall(r": (\S+\.md)$", (PROJECT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE))
    there = {str(page.relative_to(PROJECT / "docs")) for page in (PROJECT / "docs").glob("**/*.md")}
    assert there == listed
