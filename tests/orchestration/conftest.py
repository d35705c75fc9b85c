from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_forge_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forge or a storage that the user's environment names has no part in a test."""
    for name in ("DAGSTER_HOME", "WVFORGE_FORGE", "PREFIX_API_KEY"):
        monkeypatch.delenv(name, raising=False)
