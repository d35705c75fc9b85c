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
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import rattler_build as engine

from wvforge_dagster.build.amend import check_amendable
from wvforge_dagster.build.events import begin
from wvforge_dagster.build.limits import FEWER_VARIANTS, MOST_VARIANTS, RENDER_MEMORY, SECONDS_PER_RECIPE
from wvforge_dagster.build.recipe_hints import hint
from wvforge_dagster.build.variant_config import BadVariants, native, read_variants
from wvforge_dagster.build.words import plain_words


def main() -> None:
    request, events = begin()
    resource.setrlimit(resource.RLIMIT_AS, (RENDER_MEMORY, RENDER_MEMORY))
    # The engine holds the interpreter's lock while it renders: only the kernel's default action ends it.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    root = Path(request["root"])
    shared = [Path(path) for path in request["variants"]]
    try:
        config = read_variants(shared, request["platform"], request["architectures"])
    except BadVariants as fault:
        events.send("bad_variants", file=str(fault.path), reason=fault.reason)
        return
    events.send("variants", values={key: [str(value) for value in found] for key, found in config.to_dict().items()})
    for path, own in request["recipes"]:
        events.send("start", path=path, widest=_widest(root / path, config))
        signal.setitimer(signal.ITIMER_REAL, SECONDS_PER_RECIPE)
        try:
            recipe = engine.Stage0Recipe.from_file(root / path)
            check_amendable((root / path).read_text(encoding="utf-8"))
            variants = (
                config
                if own is None
                else read_variants([*shared, root / own], request["platform"], request["architectures"])
            )
            events.send("rendered", path=path, **render(recipe, variants, request["platform"]))
        except UnicodeDecodeError as error:
            events.send("broken", path=path, reason=f"is not UTF-8 (byte {error.start}); save it as UTF-8")
        except OSError as error:
            events.send("broken", path=path, reason=f"cannot be read: {error.strerror}")
        except MemoryError:
            events.send("broken", path=path, reason="rendering it takes too much memory")
        except Exception as error:
            words = plain_words(error)
            text = (root / path).read_text(encoding="utf-8", errors="replace")
            events.send("broken", path=path, reason=words + hint(text, words))


def _widest(path: Path, config: engine.VariantConfig) -> dict[str, int]:
    """How many values each variant key has that a recipe's text mentions; of keys that are zipped, the first alone."""
    try:
        words = set(re.findall(r"[A-Za-z_][\w-]*", path.read_text(encoding="utf-8", errors="replace")))
    except OSError:
        return {}
    mentioned = {word.replace("-", "_") for word in words}
    followers = {key for group in config.zip_keys or [] for key in group[1:]}
    counts = {key: len(config.get_values(key) or []) for key in config.keys() if key not in followers}
    return {key: count for key, count in sorted(counts.items()) if key in mentioned and count > 1}


def render(recipe: engine.Stage0Recipe, config: engine.VariantConfig, platform: str) -> dict[str, Any]:
    """A recipe in every variant, as plain values for `render.py`."""
    source: dict[str, Any] = recipe.to_dict()
    render_config = engine.RenderConfig(platform=native(platform))
    variants = recipe.render(config, render_config)
    if len(variants) > MOST_VARIANTS:
        raise ValueError(f"renders to {len(variants):,} variants, more than {MOST_VARIANTS:,}: {FEWER_VARIANTS}")
    _refuse_twins(source, variants)
    outputs: list[dict[str, Any]] = []
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


def _refuse_twins(source: Mapping[str, Any], variants: Sequence[engine.RenderedVariant]) -> None:
    """Refuse two outputs that are one file. The engine renders all outputs for one variant after the other."""
    listed = source.get("outputs") or []
    if not listed or not all("package" in output for output in listed) or len(variants) % len(listed):
        return  # some are conditional, or no packages
    for first in range(0, len(variants), len(listed)):
        names: set[tuple[str, str]] = set()
        for variant in variants[first : first + len(listed)]:
            name = variant.recipe.package.name
            if (name, str(variant.recipe.build.string)) in names:
                raise ValueError(f"outputs: two outputs make {name} {variant.recipe.package.version}; rename one")
            names.add((name, str(variant.recipe.build.string)))


_USED = {
    "package.name": "1 to 128 letters, digits, '_', '.' and '-'",
    "package.version": "1 to 63 letters, digits, '_', '.', '+' and '!'",
    "build.string": "at most 63 letters, digits, '_', '.' and '+'",
}


def _check_name(name: str, version: str, build: str) -> None:
    """The engine takes a build string such as ``../../x``; a filename must not leave its folder."""
    letters = {"package.name": "[a-z0-9_A-Z][a-zA-Z0-9_.-]{0,127}", "package.version": "[A-Za-z0-9_.+!~]{1,63}"}
    found = {"package.name": name, "package.version": version, "build.string": build}
    for what, value in found.items():
        if not re.fullmatch(letters.get(what, "[A-Za-z0-9_.+!~]{0,63}"), value) or value.startswith("."):
            # A dash would move the borders between name, version and build in NAME-VERSION-BUILD.conda.
            shown = value if len(value) <= 60 else f"{value[:40]}... ({len(value)} characters)"
            raise ValueError(f"{what}: {shown!r} cannot be part of a filename; use {_USED[what]}")


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
    values = engine.VariantConfig({key: [value] for key, value in variant.items()})
    try:
        found = engine.Stage0Recipe.from_yaml(json.dumps(probe)).render(values, config)[0].recipe.context
    except Exception as error:
        said = re.sub(r"Failed to evaluate expression '.*': | \(line \d+\)$", "", plain_words(error))
        raise ValueError(f"build.skip: {' or '.join(conditions)}: {said}") from None
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
