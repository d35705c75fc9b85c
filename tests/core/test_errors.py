from __future__ import annotations

import pytest

from wvforge_dagster.core.errors import ForgeError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ForgeError("is missing"), "is missing"),
        (ForgeError("is missing", where="forge.yaml: key"), "forge.yaml: key: is missing"),
        (ForgeError("is missing", where="forge.yaml", remedy="write it"), "forge.yaml: is missing; write it"),
        (ForgeError("two\n  lines\tand a tab"), "two lines and a tab"),
    ],
)
def test_an_error_is_one_line_with_place_fault_and_remedy(error: ForgeError, text: str) -> None:
    assert str(error) == text
