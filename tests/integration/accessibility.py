"""axe-core, an accessibility checker, run on the page that a browser shows."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from integration.browser import Browser

SERIOUS = ("serious", "critical")


def serious_faults(window: Browser) -> list[str]:
    """What it finds that is serious or worse: the rule, what it says, and the first elements."""
    window.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": _axe()})
    # Through the debugger, and without asking for the style sheets again: the page's own policy allows neither.
    answer = window.driver.execute_cdp_cmd(
        "Runtime.evaluate",
        {
            "expression": "axe.run({resultTypes: ['violations'], preload: false})",
            "awaitPromise": True,
            "returnByValue": True,
        },
    )
    found: list[dict[str, Any]] = answer["result"]["value"]["violations"]
    return [
        f"{item['id']} ({item['impact']}): {item['help']}: {' | '.join(node['html'][:160] for node in item['nodes'][:4])}"
        for item in found
        if item["impact"] in SERIOUS
    ]


def _axe() -> str:
    """The checker itself, from the package that ships it; what else that package is made of is not used."""
    spec = importlib.util.find_spec("axe_playwright_python")
    assert spec is not None and spec.origin is not None
    return (Path(spec.origin).parent / "axe.min.js").read_text(encoding="utf-8")
