"""Many real packages in little time: the engine builds them in this process, one after the other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rattler_build import Stage0Recipe, ToolConfiguration

from wvforge_dagster.build.package_stream import read_through
from wvforge_dagster.core.package_facts import PackageFacts


def build_tiny(folder: Path, script: str, **recipe: Any) -> Path:
    """Build a package whose script is `script`. Keys of its recipe are merged into one that has what a package needs."""
    folder.mkdir(parents=True, exist_ok=True)
    whole: dict[str, Any] = {
        "package": {"name": "tiny", "version": "1.0"},
        "build": {"script": [line.strip() for line in script.strip().splitlines()]},
        "about": {"license": "MIT", "license_file": "LICENSE"},
    }
    for key, value in recipe.items():
        whole[key] = {**whole.get(key, {}), **value} if isinstance(value, Mapping) else value
    whole = {key: value for key, value in whole.items() if value is not None}
    (folder / "recipe").mkdir()
    (folder / "recipe" / "LICENSE").write_text("as you like")
    path = folder / "recipe" / "recipe.yaml"
    path.write_text(json.dumps(whole))
    (built,) = Stage0Recipe.from_file(path).run_build(
        output_dir=folder / "built", channels=[], tool_config=ToolConfiguration(test_strategy="skip")
    )
    return Path(built.packages[0])


def seen_in(folder: Path, script: str, **recipe: Any) -> PackageFacts:
    """What is seen of a package when it is read through."""
    return read_through(build_tiny(folder, script, **recipe))


def shown(findings: Any) -> list[tuple[str, str, str]]:
    """Findings as plain values: file, words, severity."""
    return [(finding.file, finding.what, finding.severity.value) for finding in findings]
