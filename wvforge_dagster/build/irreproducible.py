"""Why a file may come out differently each time that it is built: common reasons, told by its name and its bytes."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_ARCHIVES = (".a", ".gz", ".bz2", ".xz", ".zip", ".jar", ".whl", ".tar", ".tgz")
_PATH = re.compile(rb"/(rattler-build_|host_env|build_env|conda-bld|tmp/|work/|home/)|_placehold")
_TIME = re.compile(
    rb"(19|20)\d\d-[01]\d-[0-3]\d|\b[0-2]\d:[0-5]\d:[0-5]\d|(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\w* +\d{1,2}\b"
    rb"|\b1[5-9]\d{8}\b"
)
_ENVIRONMENT = re.compile(rb"(?m)^(declare -x |export )?PATH=")
_VARIABLE = re.compile(rb"(?m)^(?:declare -x |export )?([A-Za-z_]\w*)=")
_AROUND = 64
_MOST_NAMES = 5
_MOST = 1 << 20

EPOCH = "the script can set SOURCE_DATE_EPOCH"


def likely_reason(path: str, old: bytes, new: bytes) -> str:
    """The likely reason why these two contents of a file differ, and what helps; empty if nothing speaks for one."""
    suffix = PurePosixPath(path).suffix
    if suffix in (".pyc", ".pyo"):
        if old[16:] == new[16:]:
            return f"bytecode that holds the time of its source: {EPOCH}, or compile with --invalidation-mode unchecked-hash"
        return "bytecode: of a source that differs, or that holds a path of the build"
    if suffix in _ARCHIVES:
        return "an archive, which holds the times and the order of its members"
    before, after = _differing_lines(_window(old, new), _window(new, old))
    if _ENVIRONMENT.search(old) and _ENVIRONMENT.search(new):
        return _of_environment(before, after)
    if _PATH.search(before) or _PATH.search(after):
        return "it holds a path of the build: it was built in another folder, or under a random name"
    if _TIME.search(before) or _TIME.search(after):
        return f"it holds a date or a time: {EPOCH}, if what writes it heeds that"
    if sorted(old.splitlines()) == sorted(new.splitlines()):
        return "the same lines in another order: sort what is listed"
    return ""


def _window(content: bytes, other: bytes) -> bytes:
    """The part of `content` that differs from `other`, with a little of what is around it."""
    start = _common(content, other)
    end = _common(content[:start:-1], other[:start:-1])
    return content[max(0, start - _AROUND) : len(content) - end + _AROUND][:_MOST]


def _differing_lines(before: bytes, after: bytes) -> tuple[bytes, bytes]:
    """Each without the lines that the other has as well."""
    lines, others = before.split(b"\n"), after.split(b"\n")
    known, known_others = set(lines), set(others)
    kept = (line for line in lines if line not in known_others)
    return b"\n".join(kept), b"\n".join(line for line in others if line not in known)


def _of_environment(before: bytes, after: bytes) -> str:
    names = sorted({name.decode() for name in (*_VARIABLE.findall(before), *_VARIABLE.findall(after))})
    shown = ", ".join(names[:_MOST_NAMES]) + (
        f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    )
    return (
        f"it holds environment variables of the build{f', and these differ: {shown}' if shown else ''}: leave them out"
    )


def _common(one: bytes, other: bytes) -> int:
    """The length of what two contents begin with alike."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
