"""Runs the shell blocks of a page, in order, as somebody who reads it would."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from documentation.markdown import Block

MARK = "::block "
_NOT_RUN = re.compile(r"(needs|run by): (\S.*)", re.DOTALL)
_STATUS = re.compile(r"exit status: (\d+)")


@dataclass(frozen=True)
class Step:
    """A shell block that is run, and what the page shows of its output.

    Attributes:
        status: what it should end with.
        shown: the block of text that follows it, if one does.
    """

    block: Block
    status: int
    shown: str


def why_not_run(block: Block) -> str | None:
    """What the page says of a shell block that is not run here: ``needs: ...`` or ``run by: ...``."""
    found = _NOT_RUN.fullmatch(block.marker)
    return found[0] if found else None


def steps(blocks: Sequence[Block]) -> list[Step]:
    """The shell blocks that are run."""
    found = []
    for block, after in zip(blocks, [*blocks[1:], None], strict=True):
        if block.is_shell and why_not_run(block) is None:
            status = _STATUS.fullmatch(block.marker)
            shown = after.text if after and after.language == "text" and after.follows else ""
            found.append(Step(block, int(status[1]) if status else 0, shown))
    return found


def run_page(found: Sequence[Step], folder: Path, environment: Mapping[str, str]) -> None:
    """Run the steps in one shell, and compare loosely what they say with what the page shows."""
    script = "set -uo pipefail\n"
    for position, step in enumerate(found):
        script += f"echo '{MARK}{position}'\n"
        if step.status:
            script += f"set +e\n{step.block.text}\ntest $? = {step.status} || exit 99\n"
        else:
            script += f"set -e\n{step.block.text}\n"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
    )
    said = done.stdout.split(MARK)[1:]
    assert said, done.stdout
    last = found[len(said) - 1]
    assert done.returncode == 0, f"{last.block.place} ended with {done.returncode}:\n{said[-1]}"
    for step, output in zip(found, said, strict=True):
        lacking = first_not_said(step.shown, output.partition("\n")[2])
        assert lacking is None, f"{step.block.place}: the page shows {lacking!r}, and it said:\n{output}"


def first_not_said(shown: str, output: str) -> str | None:
    """The first line that is shown and is not in the output, in this order. Blanks count alike, and ``...`` is anything."""
    lines = [" ".join(line.split()) for line in output.splitlines()]
    for line in shown.splitlines():
        words = " ".join(line.split())
        if words in ("", "..."):
            continue
        pattern = ".*".join(re.escape(part.strip(" ") if part.strip() else part) for part in words.split("..."))
        while lines and not re.search(pattern, lines[0]):
            lines.pop(0)
        if not lines:
            return line
        lines.pop(0)
    return None
