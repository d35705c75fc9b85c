"""The GPU architectures that a recipe says it compiles for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from wvforge_dagster.core.recipe import Output

_VARIABLE = re.compile(r"(\w+_)?CUDA_?ARCH(S|_LIST|ITECTURES)$")
_ARGUMENT = re.compile(r"CMAKE_CUDA_ARCHITECTURES=(\"[^\"]*\"|'[^']*'|[^\s\"']+)")
_VALUE = re.compile(r"\d+(\.\d+)?[af]?(\+PTX|-virtual|-real)?|native|all(-major)?")


def named_architectures(output: Output) -> tuple[str, ...]:
    """What the recipe names in its script or in the script's variables (``TORCH_CUDA_ARCH_LIST: "8.0;9.0+PTX"``), as it is
    written there; nothing if it names none. The package itself is not looked into."""
    script = (output.rendered.get("build") or {}).get("script")
    found = [value for name, value in _variables(script) if _VARIABLE.fullmatch(name)]
    found += [match.group(1).strip("\"'") for match in _ARGUMENT.finditer(str(script))]
    parts = (part.strip() for value in found for part in re.split(r"[;,\s]+", value))
    return tuple(dict.fromkeys(part for part in parts if _VALUE.fullmatch(part)))


def _variables(script: Any) -> list[tuple[str, str]]:
    env = script.get("env") if isinstance(script, Mapping) else None
    return [(str(name), str(value)) for name, value in env.items()] if isinstance(env, Mapping) else []
