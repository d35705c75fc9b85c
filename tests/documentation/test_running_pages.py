"""The shell blocks of each page, run in order in a folder of its own, say what the page shows."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from integration.commands import environment

from documentation.markdown import PROJECT, blocks
from documentation.running import run_page, steps
from documentation.scratch_forges import PAGES

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("page", PAGES)
def test_the_page_does_what_it_says(page: str, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    with PAGES[page](place) as (folder, variables):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        run_page(steps(blocks(PROJECT / page)), folder, environment(PATH=path, HOME=str(tmp_path), **variables))
