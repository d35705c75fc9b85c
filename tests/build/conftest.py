from __future__ import annotations

import pytest

from build.places import Builder
from small_forge import SmallForge


@pytest.fixture
def builder(small_forge: SmallForge) -> Builder:
    return Builder(small_forge)
