"""What forge.yaml and variant files may not be longer than, and what no text in them holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.forge_file import load_forge
from wvforge_dagster.core.yaml_files import LARGEST, read_yaml


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('output: "a\\0b"', "output: holds a NUL character"),
        ('channels: [conda-forge, {file: "a\\0b"}]', "channels.1.file: holds a NUL character"),
        (f"output: {'a' * 1001}", "output: is longer than 1000 characters"),
    ],
)
def test_a_text_that_can_be_no_name_is_named_by_its_key_and_not_shown(tmp_path: Path, text: str, place: str) -> None:
    (tmp_path / "forge.yaml").write_text(text)
    with pytest.raises(ForgeError) as fault:
        load_forge(tmp_path)
    assert str(fault.value) == f"{tmp_path / 'forge.yaml'}: {place}"


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "variants.yaml"
    with path.open("wb") as stream:
        stream.truncate(LARGEST + 1)
    with pytest.raises(ForgeError, match=r"variants\.yaml: is larger than 1 MiB; make it smaller"):
        read_yaml(path, remedy="")
