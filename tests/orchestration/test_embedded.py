"""Where the embedded upstream channel of a forge may be assembled."""

from __future__ import annotations

import json
from typing import Any

import pytest
from small_forge import SmallForge

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.orchestration.embedded import assemble_upstream, explain_missing


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


@pytest.mark.parametrize(
    ("reason", "added"),
    [
        ("No candidates were found for python 3.12.*.", " (no 3.12)"),
        ("No candidates were found for python >=3.9.", " (no 3.12; no 3.13)"),
        ("... └─ python >=3.9, for which no candidates were found", " (no 3.12; no 3.13)"),
        ("No candidates were found for python-dateutil >=2.", ""),
        ("No candidates were found for absent >=2; a 1 would require └─ python >=3.9", ""),
    ],
)
def test_an_interpreter_that_this_machine_lacks_is_named_where_a_solve_fails_for_want_of_it(
    small_forge: SmallForge, reason: str, added: str
) -> None:
    small_forge.configure(channels=[{"file": "output/upstream"}], variants=[])
    missing = [{"name": "python", "spec": f"{version}.*", "reason": f"no {version}"} for version in ("3.12", "3.13")]
    small_forge.write("output/upstream/missing.json", json.dumps(missing))
    assert explain_missing(small_forge.open(), reason) == reason + added
