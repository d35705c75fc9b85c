"""Every shell block of README.md and docs/ is run, or says what it needs."""

from __future__ import annotations

import pytest

from documentation.markdown import PROJECT, Block, blocks, pages
from documentation.running import first_not_said, steps, why_not_run
from documentation.scratch_forges import PAGES

SHELL_BLOCKS = [block for page in pages() for block in blocks(page) if block.is_shell]


def a_page(text: str) -> list[Block]:
    folder = PROJECT / "output"
    folder.mkdir(exist_ok=True)
    page = folder / "page-of-a-test.md"
    page.write_text(text, encoding="utf-8")
    try:
        return blocks(page)
    finally:
        page.unlink()


@pytest.mark.parametrize("block", SHELL_BLOCKS, ids=lambda block: block.place)
def test_a_shell_block_is_on_a_page_that_is_run_or_says_why_it_is_not(block: Block) -> None:
    assert why_not_run(block) or block.page in PAGES, "run its page in scratch_forges.py, or say <!-- needs: ... -->"


@pytest.mark.parametrize(
    "block", [block for block in SHELL_BLOCKS if why_not_run(block)], ids=lambda block: block.place
)
def test_what_another_test_is_said_to_run_is_run_there(block: Block) -> None:
    reason, _, test = (why_not_run(block) or "").partition(": ")
    if reason == "run by":
        assert (PROJECT / test).is_file()


def test_every_page_that_is_run_has_something_to_run() -> None:
    assert [page for page in PAGES if not steps(blocks(PROJECT / page))] == []


def test_a_block_has_the_marker_that_stands_right_before_it_and_the_output_that_stands_right_after() -> None:
    found = a_page(
        "<!-- needs: a moon -->\n```sh\na\n```\n\n<!-- needs: a sun -->\nwords\n\n```sh\nb\n```\n\n```text\nsaid\n```\n\n"
        "<!-- exit status: 1 -->\n```sh\nc\n```\n\nwords\n\n```text\nnot of c\n```\n"
    )
    assert [why_not_run(block) for block in found if block.is_shell] == ["needs: a moon", None, None]
    assert [(step.block.text, step.status, step.shown) for step in steps(found)] == [
        ("b\n", 0, "said\n"),
        ("c\n", 1, ""),
    ]


@pytest.mark.parametrize(
    ("shown", "lacking"),
    [
        ("one  two\n...\nfour 4 s\n", None),
        ("one ... two\n", None),
        ("four ... s\none two\n", "one two"),
        ("three\n", "three"),
        ("four . s\n", "four . s"),
    ],
)
def test_what_is_shown_has_to_be_said_in_this_order(shown: str, lacking: str | None) -> None:
    assert first_not_said(shown, "one two\nfour   4 s\n") == lacking
