"""Where the embedded upstream channel of a forge may be assembled."""

from __future__ import annotations

from typing import Any

import pytest
from small_forge import SmallForge

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.orchestration.embedded import assemble_upstream


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({"channels": [{"file": "output/channel"}]}, "a publish target"),
        ({"channels": ["conda-forge", {"file": "link"}], "publish": [{"file": "there"}]}, "a publish target"),
        ({"channels": [{"file": "output/staging"}]}, "the staging channel"),
        ({"channels": [{"file": "out/x/../staging/"}], "output": "out"}, "the staging channel"),
    ],
    ids=["default target", "through a link", "staging", "spelled in another way"],
)
def test_a_folder_that_the_forge_publishes_to_or_stages_in_is_refused(
    small_forge: SmallForge, keys: dict[str, Any], what: str
) -> None:
    small_forge.configure(upstream="upstream.yaml", variants=[], **keys)
    small_forge.write("upstream.yaml", "{}")
    (small_forge.root / "link").symlink_to("there")
    forge = small_forge.open()
    before = sorted(small_forge.root.rglob("*"))
    with pytest.raises(ForgeError, match=rf"forge\.yaml: channels: \{{file: .* is {what} too; let .* come first"):
        assemble_upstream(forge, print)
    assert sorted(small_forge.root.rglob("*")) == before
