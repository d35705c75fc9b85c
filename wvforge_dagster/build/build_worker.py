"""Child process: builds one output of one package variant. ``python -m wvforge_dagster.build.build_worker REQUEST``.

The request is a `builder.BuildRequest` in JSON. Events: ``log`` (one line of the engine or of the script), ``phase``, and at
the end ``built`` (path of the package, seconds of each phase) or ``failed`` (class, reason, details).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import rattler_build as engine

from wvforge_dagster.build.compiler_cache import CacheUse
from wvforge_dagster.build.events import EventStream, begin
from wvforge_dagster.build.no_network import OfflineLog
from wvforge_dagster.build.reasons import EngineLog, why_build_failed
from wvforge_dagster.build.script_environment import ScriptEnvironment
from wvforge_dagster.build.variant_config import native, read_variants


def main() -> None:
    request, events = begin()
    log = EngineLog(events) if request["network"] else OfflineLog(events)
    script = ScriptEnvironment(
        log,
        Path(request["output_dir"]),
        cores=request["cores"],
        program=request["cache_program"],
        cache=request["cache"],
    )
    started = time.monotonic()
    try:
        chosen = _choose(request)
        rendered = time.monotonic()
        result = chosen.run_build(
            tool_config=engine.ToolConfiguration(test_strategy="skip", channel_priority="strict"),
            output_dir=request["output_dir"],
            channels=request["channels"],
            progress_callback=script,
            # The time in a folder name would be in what is built: in debug information, bytecode, direct_url.json.
            no_build_id=True,
            package_format=request["package_format"],
        )
    except Exception as error:
        _end_cache(script, events)
        events.send("failed", **why_build_failed(error, log))
        return
    _end_cache(script, events)
    ended = time.monotonic()
    events.send(
        "built",
        path=str(result.packages[0]),
        cache_use=script.cache_use,
        seconds={"render": rendered - started, "solve_and_build": ended - rendered, "script": log.script_seconds},
    )


def _end_cache(script: ScriptEnvironment, events: EventStream) -> None:
    """Ask the compiler cache, if the script's end was not noticed, and say in the log what it was good for."""
    script.end()
    if script.cache_use:
        events.send("log", level="info", line=str(CacheUse(**script.cache_use)))


def _choose(request: dict[str, Any]) -> engine.RenderedVariant:
    """The rendered variant that was asked for."""
    recipe = engine.Stage0Recipe.from_file(request["recipe"])
    files = [Path(path) for path in request["variants"]]
    config = read_variants(files, request["platform"], request["architectures"])
    render_config = engine.RenderConfig(platform=native(request["platform"]))
    candidates = recipe.render(config, render_config)
    for rendered in candidates:
        if (
            rendered.recipe.package.name == request["output"]
            and _whole_variant(rendered, candidates) == request["variant"]
        ):
            return rendered
    raise RuntimeError("the recipe or a variant file was changed while it was being built; build it again")


def _whole_variant(rendered: engine.RenderedVariant, candidates: list[engine.RenderedVariant]) -> dict[str, str]:
    """As `core.siblings.whole_variant`: an exact pin of a sibling is in the variant too, and its build number may have been
    raised since it was asked for."""
    by_pin = {
        (other.recipe.package.name, f"{other.recipe.package.version} {other.recipe.build.string}"): other
        for other in candidates
    }
    names = {name for name, _ in by_pin}
    found: dict[str, str] = {}
    queue = [rendered]
    while queue:
        for key, value in queue.pop().variant.items():
            if key not in names and key != "target_platform":
                found[key] = str(value)
            elif (key, str(value)) in by_pin:
                queue.append(by_pin.pop((key, str(value))))
    return found


if __name__ == "__main__":
    main()
