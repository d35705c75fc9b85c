"""Child process: builds one output of one package variant. ``python -m wvforge_dagster.build.build_worker REQUEST``.

The request is a `builder.BuildRequest` in JSON. Events: ``log`` (one line of the engine or of the script), ``phase``, and at
the end ``built`` (path of the package, seconds of each phase) or ``failed`` (class, reason, details).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import rattler_build as engine
from rattler_build.tool_config import PlatformConfig

from wvforge_dagster.build.events import begin
from wvforge_dagster.build.no_network import OfflineLog
from wvforge_dagster.build.reasons import EngineLog, why_build_failed
from wvforge_dagster.build.variant_config import read_variants


def main() -> None:
    request, events = begin()
    log = EngineLog(events) if request["network"] else OfflineLog(events)
    started = time.monotonic()
    try:
        chosen = _choose(request)
        rendered = time.monotonic()
        result = chosen.run_build(
            tool_config=engine.ToolConfiguration(test_strategy="skip", channel_priority="strict"),
            output_dir=request["output_dir"],
            channels=request["channels"],
            progress_callback=log,
            # The time in a folder name would be in what is built: in debug information, bytecode, direct_url.json.
            no_build_id=True,
            package_format=request["package_format"],
        )
    except Exception as error:
        events.send("failed", **why_build_failed(error, log))
        return
    ended = time.monotonic()
    events.send(
        "built",
        path=str(result.packages[0]),
        seconds={"render": rendered - started, "solve_and_build": ended - rendered, "script": log.script_seconds},
    )


def _choose(request: dict[str, Any]) -> engine.RenderedVariant:
    """The rendered variant that was asked for."""
    recipe = engine.Stage0Recipe.from_file(request["recipe"])
    config = read_variants([Path(path) for path in request["variants"]], request["platform"])
    render_config = engine.RenderConfig(platform=PlatformConfig(target_platform=request["platform"]))
    candidates = recipe.render(config, render_config)
    # An exact pin of a sibling is in the variant too, and its build number may have been raised since.
    passed_over = {"target_platform", *(rendered.recipe.package.name for rendered in candidates)}
    wanted = {key: value for key, value in request["variant"].items() if key not in passed_over}
    for rendered in candidates:
        values = {key: str(value) for key, value in rendered.variant.items() if key not in passed_over}
        if rendered.recipe.package.name == request["output"] and values == wanted:
            return rendered
    raise RuntimeError("the recipe or a variant file was changed while it was being built; build it again")


if __name__ == "__main__":
    main()
