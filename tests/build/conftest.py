from __future__ import annotations

import pytest
from small_forge import SmallForge

from build.places import Builder


@pytest.fixture
def builder(small_forge: SmallForge) -> Builder:
    return Builder(small_forge)
