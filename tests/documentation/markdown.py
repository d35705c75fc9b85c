"""Pages of the documentation as they are written: their fenced blocks, and the anchors that a link can lead to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]
SHELL = ("sh", "bash", "shell", "console")

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[\w-]*)[^\n`]*\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
_COMMENT = re.compile(r"<!--\s*(?P<text>.*?)\s*-->\s*\Z", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        page: its page, relative to the project.
        line: that of its first line, from 1.
        marker: the HTML comment right before it; nothing if there is none.
        follows: whether only blank lines are between it and the block before.
    """

    page: str
    line: int
    language: str
    text: str
    marker: str = ""
    follows: bool = False

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_shell(self) -> bool:
        return self.language in SHELL


def pages() -> list[Path]:
    """README.md and every page of docs/."""
    return [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("**/*.md"))]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    end = 0
    for match in _FENCE.finditer(text):
        between = text[end : match.start()]
        comment = _COMMENT.search(between)
        found.append(
            Block(
                page=str(page.relative_to(PROJECT)),
                line=text.count("\n", 0, match.start()) + 1,
                language=match["language"],
                text=match["text"],
                marker=comment["text"] if comment else "",
                follows=bool(found) and not between.strip(),
            )
        )
        end = match.end()
    return found


def anchors(page: Path) -> set[str]:
    """What a link to the page can end with after its ``#``: headings as forges and mkdocs name them, and ids of HTML."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {_slug(heading) for heading in headings} | set(re.findall(r'\bid="([^"]+)"', text))


def _slug(heading: str) -> str:
    words = re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-")
