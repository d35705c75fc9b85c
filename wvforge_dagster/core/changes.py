"""Which parts of the inputs changed, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Each change between two sets of input parts, as ``WHERE: WHAT``."""
    for name in ("files", "sources"):
        yield from _named(old.get(name, {}), new.get(name, {}), "source " if name == "sources" else "")
    yield from _leaves(old.get("variant", {}), new.get("variant", {}), "variant")
    before, after = old.get("local_packages", {}), new.get("local_packages", {})
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield f"{name}: content {_short(before.get(name))} -> {_short(after.get(name))}"
    if old.get("platform") != new.get("platform"):
        yield f"platform: {old.get('platform')} -> {new.get('platform')}"
    yield from _leaves(old.get("recipe", {}), new.get("recipe", {}), "")
    if old.get("format") != new.get("format"):
        yield "the way inputs are recorded"


def describe_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """The changes in one line; at most three are named."""
    found = list(changes(old, new))
    if not found:
        return "its inputs changed"
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return "; ".join(found[:3]) + more


def _named(old: Mapping[str, str], new: Mapping[str, str], prefix: str) -> Iterator[str]:
    for name in sorted({*old, *new}):
        if name not in old:
            yield f"{prefix}{name}: added"
        elif name not in new:
            yield f"{prefix}{name}: removed"
        elif old[name] != new[name]:
            mode = old[name].removesuffix(":x") == new[name].removesuffix(":x")
            yield f"{prefix}{name}: {'mode' if mode else 'content'}"


def _leaves(old: Any, new: Any, where: str) -> Iterator[str]:
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            place = f"{where}.{key}" if where else key
            if key in old and key in new:
                yield from _leaves(old[key], new[key], place)
            else:
                yield f"{place}: {_shown(old[key]) if key in old else 'none'} -> " + (
                    _shown(new[key]) if key in new else "none"
                )
    elif isinstance(old, str) and isinstance(new, str) and ("\n" in old or "\n" in new):
        before, after = old.splitlines(), new.splitlines()
        same = next(
            (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
        )
        yield f"{where.removesuffix('.content')}: line {same + 1}"
    elif isinstance(old, list) and isinstance(new, list):
        gone = [item for item in old if item not in new]
        come = [item for item in new if item not in old]
        if len(gone) == len(come) == 1:
            yield from _leaves(gone[0], come[0], where)
        elif gone or come:
            yield f"{where}: " + ", ".join(
                [f"-{_shown(item)}" for item in gone] + [f"+{_shown(item)}" for item in come]
            )
        else:
            yield f"{where}: order"
    else:
        yield f"{where}: {_shown(old)} -> {_shown(new)}"


def _shown(value: Any) -> str:
    text = "null" if value is None else str(value).replace("\n", "\\n").replace("\r", "\\r")
    return text if len(text) <= 60 else text[:57] + "..."


def _short(value: str | None) -> str:
    return "none" if value is None else value[:8]
