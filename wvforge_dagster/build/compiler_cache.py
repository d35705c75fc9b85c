"""A cache of what compilers made, shared by builds: sccache, for C, C++ and nvcc.

Each build has a server of its own, which its compilers start and which ends with it; what servers share is the folder. An
object is found by the text that the compiler's preprocessor makes of its source, by the other options and by the compiler
itself. That text names folders, and is taken as it is: with sccache's ``SCCACHE_BASEDIRS`` (0.16), which leaves them out, one
build is given an object that holds another one's paths.

`script_environment` puts it before the compilers of a script.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAM = "sccache"


@dataclass(frozen=True)
class CompilerCache:
    """A cache that builds use.

    Attributes:
        program: path of sccache.
        folder: that holds it, and that builds write to.
        size: most bytes that it takes on the disk. Servers that run side by side do not know of each other's newest.
    """

    program: Path
    folder: Path
    size: int

    @contextmanager
    def variables(self, *, private_tmp: bool) -> Iterator[dict[str, str]]:
        """The variables of the program in a child, while that runs.

        Args:
            private_tmp: whether the child's /tmp is its own, so that the server's socket may lie there under a fixed name.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="wvforge-") as outside:
            # A path of a socket has 107 bytes at most, and a work folder may be longer.
            socket = "/tmp/sccache.sock" if private_tmp else f"{outside}/sccache.sock"
            yield {
                "SCCACHE_DIR": str(self.folder),
                "SCCACHE_CACHE_SIZE": str(self.size),
                "SCCACHE_SERVER_UDS": socket,
                # It ends with the build, not before: what it counted is asked at the end.
                "SCCACHE_IDLE_TIMEOUT": "0",
            }


@dataclass(frozen=True)
class CacheUse:
    """How often compilers were asked for something that the cache had, and that it had not; and what it cannot keep."""

    hits: int = 0
    misses: int = 0
    not_cached: int = 0

    def __add__(self, other: CacheUse) -> CacheUse:
        return CacheUse(self.hits + other.hits, self.misses + other.misses, self.not_cached + other.not_cached)

    def __str__(self) -> str:
        return f"compiler cache: {self.hits} hits, {self.misses} misses, {self.not_cached} not to be cached"


def find_compiler_cache() -> Path:
    """Path of sccache: beside this interpreter, as its package puts it there, or else on PATH.

    Raises:
        OSError: if there is none.
    """
    beside = Path(sys.executable).with_name(PROGRAM)
    found = str(beside) if beside.is_file() else shutil.which(PROGRAM)
    if found is None:
        raise OSError(f"there is no {PROGRAM} on this machine")
    return Path(found)
