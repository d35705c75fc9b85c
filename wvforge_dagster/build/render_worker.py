"""Child process: renders recipes through the engine, one after the other, and reports each as a line of JSON.

``python -m wvforge_dagster.build.render_worker REQUEST`` where the request holds ``root``, ``recipes`` (paths relative to
it, each with that of its own variant file or none), ``variants`` (paths of the forge's variant files) and ``platform``.
Events: ``variants`` (the values of every variant key), then for each recipe ``start`` and either ``rendered`` or ``broken``.
"""

from __future__ import annotations

import json
import re
import resource
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import rattler_build as engine
from rattler_build.tool_config import PlatformConfig

from wvforge_dagster.build.events import begin
from wvforge_dagster.build.limits import RENDER_MEMORY, SECONDS_PER_RECIPE
from wvforge_dagster.build.variant_config import read_variants, unequal_zip
from wvforge_dagster.build.words import plain_words


def main() -> None:
    request, events = begin()
    resource.setrlimit(resource.RLIMIT_AS, (RENDER_MEMORY, RENDER_MEMORY))
    # The engine holds the interpreter's lock while it renders: only the kernel's default action ends it.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    root = Path(request["root"])
    shared = [Path(path) for path in request["variants"]]
    try:
        config = read_variants(shared, request["platform"])
    except Exception as error:
        events.send("bad_variants", reason=plain_words(error))
        return
    if fault := unequal_zip(config):
        events.send("bad_variants", reason=fault)
        return
    events.send("variants", values={key: [str(value) for value in found] for key, found in config.to_dict().items()})
    for path, own in request["recipes"]:
        events.send("start", path=path)
        signal.setitimer(signal.ITIMER_REAL, SECONDS_PER_RECIPE)
        try:
            recipe = engine.Stage0Recipe.from_file(root / path)
            variants = config if own is None else _with_own(shared, root / own, request["platform"])
            events.send("rendered", path=path, **render(recipe, variants, request["platform"]))
        except UnicodeDecodeError as error:
            events.send("broken", path=path, reason=f"is not UTF-8 (byte {error.start}); save it as UTF-8")
        except OSError as error:
            events.send("broken", path=path, reason=f"cannot be read: {error.strerror}")
        except MemoryError:
            events.send("broken", path=path, reason="rendering it takes too much memory")
        except Exception as error:
            events.send("broken", path=path, reason=plain_words(error))


def _with_own(shared: list[Path], own: Path, platform: str) -> engine.VariantConfig:
    """The forge's variants as the variant file beside a recipe narrows or extends them."""
    try:
        config = read_variants([*shared, own], platform)
    except Exception as error:
        raise ValueError(f"{own.name}: {plain_words(error)}") from None
    if fault := unequal_zip(config):
        raise ValueError(f"{own.name}: {fault}")
    return config


def render(recipe: engine.Stage0Recipe, config: engine.VariantConfig, platform: str) -> dict[str, Any]:
    """A recipe in every variant, as plain values for `render.py`."""
    source: dict[str, Any] = recipe.to_dict()
    render_config = engine.RenderConfig(platform=PlatformConfig(target_platform=platform))
    variants = recipe.render(config, render_config)
    outputs = []
    for variant in variants:
        rendered = variant.recipe.to_dict()
        name = variant.recipe.package.name
        _check_name(name, str(variant.recipe.package.version), str(variant.recipe.build.string or ""))
        values = {key: str(value) for key, value in sorted(variant.variant.items()) if key != "target_platform"}
        outputs.append(
            {
                "name": name,
                "version": str(variant.recipe.package.version),
                "build_string": str(variant.recipe.build.string or ""),
                "build_number": int(variant.recipe.build.number or 0),
                "noarch": variant.recipe.build.noarch,
                "variant": values,
                "skip": _skip(source, name, values, render_config),
                "rendered": rendered,
            }
        )
    if not outputs:
        raise ValueError("renders to no package; check its build.skip and the variant files")
    first: dict[str, Any] = variants[0].recipe.to_dict()
    about = first.get("about") or {}
    extra = source.get("extra") or {}
    multiple = source.get("recipe") or {}
    return {
        "name": str((multiple.get("name") if multiple else None) or outputs[0]["name"]),
        "about": {key: about.get(key) for key in ("summary", "description", "homepage", "license")},
        "maintainers": [str(item) for item in extra.get("recipe-maintainers") or []],
        "outputs": outputs,
    }


def _check_name(name: str, version: str, build: str) -> None:
    """The engine takes a build string such as ``../../x``; a filename must not leave its folder."""
    letters = {"package.name": "[a-z0-9_A-Z][a-zA-Z0-9_.-]{0,127}", "package.version": "[A-Za-z0-9_.+!~]{1,63}"}
    found = {"package.name": name, "package.version": version, "build.string": build}
    for what, value in found.items():
        if not re.fullmatch(letters.get(what, "[A-Za-z0-9_.+!~]{0,63}"), value) or value.startswith("."):
            # A dash would move the borders between name, version and build in NAME-VERSION-BUILD.conda.
            raise ValueError(f"{what}: {value!r} cannot be part of a filename; use letters, digits, '_', '.' and '+'")


def _skip(source: Mapping[str, Any], name: str, variant: Mapping[str, str], config: engine.RenderConfig) -> str | None:
    """The first condition of ``build.skip`` that holds in this variant.

    The bindings neither apply skip conditions nor show them in a rendered recipe, so each is asked of the engine's own
    Jinja, as a context value of a recipe with nothing else in it.
    """
    conditions = list(_conditions((source.get("build") or {}).get("skip")))
    for output in source.get("outputs") or []:
        package = output.get("package") or {}
        if str(package.get("name")) == name:
            conditions += _conditions((output.get("build") or {}).get("skip"))
    if not conditions:
        return None
    context = dict(source.get("context") or {})
    probes = {f"wvforge_skip_{i}": f"${{{{ true if ({text}) else false }}}}" for i, text in enumerate(conditions)}
    probe = {"context": context | probes, "package": {"name": "probe", "version": "0"}}
    inner = engine.Stage0Recipe.from_yaml(json.dumps(probe))
    values = engine.VariantConfig({key: [value] for key, value in variant.items()})
    found = inner.render(values, config)[0].recipe.context
    for i, text in enumerate(conditions):
        if str(found[f"wvforge_skip_{i}"]).lower() == "true":
            return text
    return None


def _conditions(skip: Any) -> Iterable[str]:
    """Skip conditions as Jinja expressions, with the ``if/then/else`` form written out."""
    for item in skip if isinstance(skip, list) else [skip]:
        if item is None or item is False:
            continue
        if isinstance(item, Mapping):
            condition = str(item["if"])
            yield from (f"({condition}) and ({text})" for text in _conditions(item.get("then")))
            yield from (f"not ({condition}) and ({text})" for text in _conditions(item.get("else")))
        else:
            text = str(item).strip()
            yield (
                text.removeprefix("${{").removesuffix("}}").strip()
                if text.startswith("${{")
                else text.replace("True", "true")
            )


if __name__ == "__main__":
    main()
