"""Faults of the moment: a full disk, a clock that jumps, a recipe that is changed while it is built, files of other users."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from build.places import wait_until
from small_forge import SmallForge

from orchestration.making import make_elsewhere, published, reaching_out, staged
from orchestration.test_command import COMMAND
from wvforge_dagster.build.recipe_places import find_recipes
from wvforge_dagster.core.digest import digest_files, why_unusable

CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long ahead(void) { const char *said = getenv("CLOCK_AHEAD"); return said ? atol(said) : 0; }
int clock_gettime(clockid_t clock, struct timespec *now) {
  int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
  int status = real(clock, now);
  if (clock == CLOCK_REALTIME) now->tv_sec += ahead();
  return status;
}
time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}
int gettimeofday(struct timeval *now, void *zone) {
  struct timespec precise;
  clock_gettime(CLOCK_REALTIME, &precise);
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return 0;
}
"""

PRELUDE = "from wvforge_dagster import settings; settings.PASSED_ON += ('LD_PRELOAD', 'CLOCK_AHEAD')"
YEAR = 365 * 24 * 3600


@pytest.fixture
def make_at(tmp_path: Path, small_forge: SmallForge, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], str]:
    """Makes `a`, unless it is up to date, with a clock that is this many seconds ahead for every process; says if it ran."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler to make a clock with")
    (tmp_path / "clock.c").write_text(CLOCK)
    library = tmp_path / "clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, tmp_path / "clock.c", "-ldl"], check=True)
    reaching_out(small_forge)

    def make(ahead: int) -> str:
        monkeypatch.setenv("LD_PRELOAD", str(library))
        monkeypatch.setenv("CLOCK_AHEAD", str(ahead))
        with make_elsewhere(small_forge, "a", prelude=PRELUDE) as process:
            monkeypatch.delenv("LD_PRELOAD")
            return process.communicate(timeout=240)[0].strip()

    return make


def test_a_clock_that_jumps_changes_no_state_and_a_change_after_it_is_built(
    small_forge: SmallForge, make_at: Callable[[int], str]
) -> None:
    small_forge.package("a")
    assert make_at(5 * YEAR) == "ran"
    (before,) = small_forge.status("a").artifacts
    assert make_at(-5 * YEAR) == "up to date"
    small_forge.edit("a", "echo a", "echo changed")
    assert small_forge.status("a").reason.startswith("build.script: ")
    assert make_at(-5 * YEAR) == "ran"
    assert small_forge.states() == {"a": "staged"}
    (after,) = small_forge.status("a").artifacts
    assert before.built - after.built > 9 * YEAR * 1000, "the clock did jump"
    assert after.build_number == before.build_number + 1
    assert make_at(0) == "up to date"
    small_forge.edit("a", "echo changed", "echo once more")
    assert small_forge.status("a").reason.startswith("build.script: ")


@pytest.mark.integration
def test_a_disk_that_fills_during_compression_is_a_failure_in_one_line_and_the_rest_is_built(
    small_forge: SmallForge,
) -> None:
    small_forge.configure(channels=[], variants=[])
    small_forge.package("large", "mkdir -p $PREFIX/share; head -c 20000000 /dev/urandom > $PREFIX/share/large")
    small_forge.package("small")
    work = small_forge.root / "output" / "work" / "large"
    work.mkdir(parents=True)
    script = f'mount -t tmpfs -o size=30m none "{work}" && exec "$@"'
    own_mounts = ["unshare", "--mount", *([] if os.getuid() == 0 else ["--user", "--map-root-user"])]
    tried = subprocess.run([*own_mounts, "sh", "-c", script, "sh", "true"], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {tried.stderr.strip()}")
    command = [*own_mounts, "sh", "-c", script, "sh", *COMMAND, "--forge", str(small_forge.root), "build"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 1, done.stderr
    assert "large: the build found the disk full; make room and build again" in done.stderr
    assert "Traceback" not in done.stderr
    assert small_forge.states() == {"large": "failed", "small": "published"}
    assert published(small_forge) == [name for name in staged(small_forge) if name.startswith("small-")]
    again = subprocess.run([*COMMAND, "--forge", str(small_forge.root), "build"], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert small_forge.states() == {"large": "published", "small": "published"}


def test_a_recipe_that_is_changed_while_it_is_built_is_stale_afterwards(small_forge: SmallForge) -> None:
    reaching_out(small_forge)
    begun, go_on = small_forge.root / "begun", small_forge.root / "go-on"
    waits = f"touch {begun}; while ! test -f {go_on}; do sleep 0.1; done"
    small_forge.package("a", f"{waits}; mkdir -p $PREFIX/share; cp $RECIPE_DIR/data $PREFIX/share/")
    small_forge.write("pkgs/a/recipe/data", "old")
    with make_elsewhere(small_forge, "a") as process:
        assert wait_until(begun.exists, 60)
        small_forge.write("pkgs/a/recipe/data", "new")
        go_on.touch()
        assert process.communicate(timeout=120)[0] == "ran\n"
    status = small_forge.status("a")
    assert (status.state.value, status.reason) == ("stale", "data: content")


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that every user can go into."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def as_somebody_else(ask: Callable[[], Any]) -> Any:
    """The answer of another user than root, in a process of its own: root reads everything."""
    if os.getuid() != 0:
        return ask()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        os.write(writing, pickle.dumps(ask()))
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as stream:
        return pickle.loads(stream.read())


def test_what_cannot_be_read_is_named_with_the_reason(shared_folder: Path) -> None:
    forge = SmallForge(shared_folder)
    forge.package("good")
    forge.package("closed")
    forge.package("partly")
    forge.write("pkgs/partly/recipe/inner/file", "")
    forge.write("pkgs/partly/recipe/secret", "")
    for place in ("pkgs/closed/recipe", "pkgs/partly/recipe/inner", "pkgs/partly/recipe/secret"):
        (forge.root / place).chmod(0)
    patterns = ("pkgs/*/recipe/recipe.yaml", "pkgs/*/recipe.yaml")
    places = as_somebody_else(lambda: find_recipes(forge.root, patterns))
    assert places.paths == ("pkgs/good/recipe/recipe.yaml", "pkgs/partly/recipe/recipe.yaml")
    (broken,) = places.broken
    assert (broken.name, broken.reason) == (
        "closed",
        "pkgs/closed/recipe: cannot be read: Permission denied; give yourself the right to read it",
    )
    files = as_somebody_else(lambda: digest_files(forge.root / "pkgs/partly/recipe", without=("recipe.yaml",)))
    words = "cannot be read: Permission denied; give yourself the right to read it"
    assert {name: why_unusable(content) for name, content in files.items()} == {"inner": words, "secret": words}
