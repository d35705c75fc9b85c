"""Which parts of the inputs changed, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Change:
    """One changed part.

    Attributes:
        where: the file, key or package.
        what: what of it changed, in few words.
        old, new: the values, where they are more than `what` says; None where it says them.
    """

    where: str
    what: str
    old: str | None = None
    new: str | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def input_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    """Each change between two sets of binding parts (`core.inputs.input_parts`)."""
    yield from _files(old.get("files", {}), new.get("files", {}))
    before, after = old.get("sources", {}), new.get("sources", {})
    for name in sorted({*before, *after}):
        yield from _source(name, before.get(name), after.get(name))
    yield from _leaves(old.get("variant", {}), new.get("variant", {}), "variant")
    yield from _contents(old.get("local_packages", {}), new.get("local_packages", {}))
    if old.get("platform") != new.get("platform"):
        yield Change("platform", f"{old.get('platform')} -> {new.get('platform')}")
    yield from _leaves(old.get("recipe", {}), new.get("recipe", {}), "")
    if old.get("format") != new.get("format"):
        yield Change("record", "the way inputs are recorded")


def changed_tests(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    """Each change between two sets of test parts (`core.inputs.parts_of_tests`)."""
    yield from _leaves(old.get("tests", []), new.get("tests", []), "tests")
    yield from _contents(old.get("local_packages", {}), new.get("local_packages", {}))


def describe(found: Iterable[Change]) -> str:
    """Changes in one line; at most three are named."""
    lines = list(dict.fromkeys(str(change) for change in found))
    if not lines:
        return "its inputs changed"
    more = f" and {len(lines) - 3} more" if len(lines) > 3 else ""
    return "; ".join(lines[:3]) + more


def _files(old: Mapping[str, str], new: Mapping[str, str], prefix: str = "") -> Iterator[Change]:
    for name in sorted({*old, *new}):
        if name not in old:
            yield Change(f"{prefix}{name}", "added")
        elif name not in new:
            yield Change(f"{prefix}{name}", "removed")
        elif old[name] != new[name]:
            mode = old[name].removesuffix(":x") == new[name].removesuffix(":x")
            what, values = ("mode", (None, None)) if mode else ("content", (old[name], new[name]))
            yield Change(f"{prefix}{name}", what, *values)


def _source(name: str, old: str | None, new: str | None) -> Iterator[Change]:
    if old is not None and new is not None and "commit " in f"{old}{new}":
        if old != new:
            yield Change(f"source {name}", f"{_short_commit(old)} -> {_short_commit(new)}", old, new)
    else:
        yield from _files({} if old is None else {name: old}, {} if new is None else {name: new}, "source ")


def _short_commit(text: str) -> str:
    return text[: len("commit ") + 12] if text.startswith("commit ") else text


def _contents(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    """Changed local packages. A value is ``VERSION CONTENT``."""
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        version, content = _split(after if after is not None else before)
        old_version, old_content = _split(before)
        new_content = content if after is not None else None
        if before is not None and after is not None and old_version != version:
            yield Change(name, f"{old_version} -> {version}", before, after)
        else:
            what = f"content {_short(old_content)} -> {_short(new_content)}"
            yield Change(f"{name} {version}".strip(), what, old_content, new_content)


def _split(value: str | None) -> tuple[str, str | None]:
    if value is None:
        return "", None
    version, _, content = value.rpartition(" ")
    return version, content


def _leaves(old: Any, new: Any, where: str) -> Iterator[Change]:
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            place = f"{where}.{key}" if where else key
            if key in old and key in new:
                yield from _leaves(old[key], new[key], place)
            else:
                before = _shown(old[key]) if key in old else "none"
                yield Change(place, f"{before} -> {_shown(new[key]) if key in new else 'none'}")
    elif isinstance(old, str) and isinstance(new, str) and ("\n" in old or "\n" in new):
        yield _first_line(old.splitlines(), new.splitlines(), where.removesuffix(".content"))
    elif isinstance(old, list) and isinstance(new, list):
        gone = [item for item in old if item not in new]
        come = [item for item in new if item not in old]
        if len(gone) == len(come) == 1:
            yield from _leaves(gone[0], come[0], where)
        elif gone or come:
            named = [f"-{_shown(item)}" for item in gone] + [f"+{_shown(item)}" for item in come]
            yield Change(where, ", ".join(named))
        else:
            yield Change(where, "order")
    else:
        yield Change(where, f"{_shown(old)} -> {_shown(new)}")


def _first_line(old: list[str], new: list[str], where: str) -> Change:
    """The first line that differs between two texts."""
    same = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    before, after = ((text[same] if same < len(text) else "none") for text in (old, new))
    return Change(where, f"line {same + 1}", before, after)


def _shown(value: Any) -> str:
    text = "null" if value is None else str(value).replace("\n", "\\n").replace("\r", "\\r")
    return text if len(text) <= 60 else text[:57] + "..."


def _short(value: str | None) -> str:
    return "none" if value is None else value[:8]
