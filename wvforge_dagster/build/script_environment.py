"""What a build script is told besides what the engine tells it: its cores, and the compiler cache.

The engine (0.73) gives scripts a clean environment, in which a conda package sets variables by an activation script. So one is
put into the build environment, after all others: nothing of that environment gets into a package. The engine's log says when
(see `no_network`).
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wvforge_dagster.build.no_network import LAST_BEFORE_SCRIPT
from wvforge_dagster.build.reasons import SCRIPT_SPAN, EngineLog

ACTIVATION = "zz-wvforge.sh"
"""Activation scripts run in the order of their names."""

CORES_VARIABLES = ("CMAKE_BUILD_PARALLEL_LEVEL", "MAX_JOBS")
"""What CMake and PyTorch's extensions read; they would start as many compilers as the machine has cores. The engine passes
``CPU_COUNT`` on."""

_SECONDS = 60.0

_LAUNCHERS = """\
for _launcher in C CXX CUDA; do export "CMAKE_${_launcher}_COMPILER_LAUNCHER=$WVFORGE_COMPILER_CACHE"; done
unset _launcher
"""

_WRAPPERS = """\
_wvforge_cached() {
  local real folder="$CONDA_PREFIX/libexec/wvforge"
  real=$(command -v "$1") || return 1
  mkdir -p "$folder"
  printf '#!/bin/sh\\nexec "%s" "%s" "$@"\\n' "$WVFORGE_COMPILER_CACHE" "$real" > "$folder/${real##*/}"
  chmod +x "$folder/${real##*/}"
  printf '%s' "$folder/${real##*/}"
}
if [ -n "${CC:-}" ] && _cached=$(_wvforge_cached "$CC"); then export CC="$_cached"; fi
if [ -n "${CXX:-}" ] && _cached=$(_wvforge_cached "$CXX"); then export CXX="$_cached"; fi
if _cached=$(_wvforge_cached "${PYTORCH_NVCC:-nvcc}"); then export PYTORCH_NVCC="$_cached"; fi
unset _cached
unset -f _wvforge_cached
"""


class ScriptEnvironment:
    """A progress callback of the engine around another one: tells the script, and asks the compiler cache after it.

    Args:
        cores: that the script has; 0 for what it finds.
        cache: the variables of the compiler cache's program; none, if there is no cache.
        program: the compiler cache's program.
        output_folder: in which the engine builds.

    Attributes:
        cache_use: hits, misses, and what was not to be cached; empty if no compiler was started.
    """

    def __init__(
        self, inner: EngineLog, output_folder: Path, *, cores: int, program: str, cache: Mapping[str, str]
    ) -> None:
        self.cache_use: dict[str, int] = {}
        self._inner = inner
        self._output_folder = output_folder
        self._cores = cores
        self._program = program
        self._cache = cache
        self._in_script = False

    def on_log(self, event: Any) -> None:
        self._inner.on_log(event)
        if LAST_BEFORE_SCRIPT in str(event.message):
            for environment in self._output_folder.glob("bld/*/build_env"):
                write_activation(environment, self._variables(), cache=self._program)
        if event.span and self._in_script and event.span != SCRIPT_SPAN:
            self.end()
        self._in_script = event.span == SCRIPT_SPAN or (self._in_script and not event.span)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def _variables(self) -> dict[str, str]:
        return {**(dict.fromkeys(CORES_VARIABLES, str(self._cores)) if self._cores else {}), **self._cache}

    def end(self) -> None:
        """Ask the cache's server what it was good for, and end it; nothing happens if no compiler started one."""
        if self.cache_use or not self._cache or not Path(self._cache["SCCACHE_SERVER_UDS"]).exists():
            return
        shown = self._ask("--show-stats", "--stats-format", "json")
        # It ends once everything is written.
        self._ask("--stop-server")
        try:
            stats = json.loads(shown)["stats"]
            hits, misses = (sum(stats[name]["counts"].values()) for name in ("cache_hits", "cache_misses"))
            not_cached = stats["requests_not_cacheable"] + stats["non_cacheable_compilations"]
            self.cache_use = {"hits": int(hits), "misses": int(misses), "not_cached": int(not_cached)}
        except (ValueError, KeyError, TypeError, AttributeError):
            return

    def _ask(self, *words: str) -> str:
        command = [self._program, *words]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_SECONDS, env=dict(self._cache), check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout


def write_activation(environment: Path, variables: Mapping[str, str], *, cache: str = "") -> None:
    """Have the activation of a build environment set these variables, as far as nothing else sets them.

    Args:
        cache: path of a program that is put before compilers: by CMake where the environment has it, else by small scripts
            that ``CC``, ``CXX`` and PyTorch's ``PYTORCH_NVCC`` then name.
    """
    words = "".join(f'export {name}="${{{name}:-{value}}}"\n' for name, value in variables.items())
    if cache:
        has_cmake = (environment / "bin" / "cmake").exists()
        words += f"WVFORGE_COMPILER_CACHE={shlex.quote(cache)}\n{_LAUNCHERS if has_cmake else _WRAPPERS}"
        words += "unset WVFORGE_COMPILER_CACHE\n"
    folder = environment / "etc" / "conda" / "activate.d"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ACTIVATION).write_text(words, encoding="utf-8")
