"""Which release is new."""

from __future__ import annotations

import pytest

from wvforge_dagster.releases.versions import Release, newest


@pytest.mark.parametrize(
    ("versions", "current", "pattern", "found"),
    [
        (["1.9", "1.10", "1.2"], "1.9", "*", "1.10"),
        (["1.9"], "1.9", "*", None),
        (["1.9.0"], "1.9", "*", None),
        (["1.8"], "1.9", "*", None),
        ([], "1.9", "*", None),
        (["2.0rc1", "2.0.dev3", "2.0a1", "2.0-beta.1", "1.9.1"], "1.9", "*", "1.9.1"),
        (["2.0rc2", "2.0b9"], "2.0rc1", "*", "2.0rc2"),
        (["2.0", "2.0rc2"], "2.0rc1", "*", "2.0"),
        (["1.9.post1"], "1.9", "*", "1.9.post1"),
        (["3.0", "2.7", "2.6"], "2.5", "2.*", "2.7"),
        (["1.1.1w", "1.1.1b-pre1"], "1.1.1v", "*", "1.1.1w"),
        (["2.0-1", "2.0+cpu", "2..0", "x" * 80], "1.9", "*", None),
        (["20250101"], "20240101", "*", "20250101"),
    ],
)
def test_the_newest_release_is_found(versions: list[str], current: str, pattern: str, found: str | None) -> None:
    best = newest([Release(version, f"commit of {version}") for version in versions], current, pattern)
    assert (best and best.version) == found
    assert best is None or best.commit == f"commit of {found}"
