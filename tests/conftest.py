"""What tests of several folders start from."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from small_forge import SmallForge

# The machine may be busy with something else: how long an example takes says nothing.
settings.register_profile("shared", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


@pytest.fixture
def small_forge(tmp_path: Path) -> SmallForge:
    """A forge without recipes, that builds against nothing and publishes to a folder."""
    root = tmp_path / "forge"
    root.mkdir()
    return SmallForge(root)
