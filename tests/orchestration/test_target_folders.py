"""A folder target is a channel of its own."""

from __future__ import annotations

import pytest
from small_forge import SmallForge

from wvforge_dagster.core.errors import ForgeError


@pytest.mark.parametrize(
    ("files", "place", "words"),
    [
        (["output"], 0, "is a folder that the forge uses itself; name another, such as output/channel"),
        (["pkgs/../output/."], 0, "is a folder that the forge uses itself"),
        (["ok", "output/staging"], 1, "is a folder that the forge uses itself"),
        (["output/work/a"], 0, "is a folder that the forge uses itself"),
        (["link/cache"], 0, "is a folder that the forge uses itself"),
        (["ok", "./ok/"], 1, "is the folder of publish.0 too; remove one"),
        (["a\0b"], 0, "holds a NUL character"),
        (["circle/a"], 0, "is no path"),
    ],
)
def test_a_folder_that_is_not_its_own_is_refused(
    small_forge: SmallForge, files: list[str], place: int, words: str
) -> None:
    (small_forge.root / "link").symlink_to("output")
    (small_forge.root / "circle").symlink_to("circle")
    small_forge.configure(channels=[], variants=[], publish=[{"file": file} for file in files])
    with pytest.raises(ForgeError) as caught:
        small_forge.open()
    message = str(caught.value)
    assert message.startswith(f"{small_forge.root}/forge.yaml: publish.{place}.file: ")
    assert words in message
    assert "\n" not in message


def test_other_folders_below_the_output_are_channels(small_forge: SmallForge) -> None:
    small_forge.configure(channels=[], variants=[], publish=[{"file": "output/channel"}, {"file": "output/working"}])
    assert [channel.label for _, channel in small_forge.open().targets] == [
        "file:output/channel",
        "file:output/working",
    ]
