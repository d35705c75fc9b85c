from __future__ import annotations

import shlex

from wvforge_dagster.core.install import TOOLS, install_lines, install_spec


def test_a_column_is_told_by_its_build_string_whatever_the_number() -> None:
    assert install_spec("a", "1.0", "py312h12_3", 3, only_one=False) == "a ==1.0 py312h12_*"
    assert install_spec("a", "1.0", "custom", 3, only_one=False) == "a ==1.0 custom"
    assert install_spec("a", "1.0", "h12_0", 0, only_one=True) == "a==1.0"


def test_every_tool_gets_all_channels_in_their_order_as_a_shell_reads_them() -> None:
    lines = install_lines("a", ["a ==1.0 h_*"], ["file:///srv/my channel", "conda-forge"])
    assert tuple(lines) == TOOLS
    for tool, found in lines.items():
        words = [word for line in found for word in shlex.split(line)]
        assert words[0] == tool
        channels = [words[i + 1] for i, word in enumerate(words) if word == "--channel"]
        assert channels == ["file:///srv/my channel", "conda-forge"]
        assert "a ==1.0 h_*" in words
