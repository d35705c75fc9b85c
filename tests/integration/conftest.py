"""Forges and servers for the tests. A server is started once for all tests that only need one."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from integration.browser import Browser, browser, missing_programs
from integration.commands import EMBEDDED_FORGE, PROJECT, environment, run, states
from integration.dagster_server import DagsterServer, dagster_server
from integration.small_forge import SmallForge, make_small_forge

DONE = {"published", "skipped"}

SLOW = """\
package: {name: slow, version: "1.0"}
build:
  noarch: generic
  script:
    - setsid sleep 600.5 &
    - bash -c 'trap "" TERM; sleep 600.25; sleep 600.25' &
    - echo the build has begun
    - sleep 600.125
"""
"""A build without an end, of processes that would survive it: one in a session of its own, one deaf to SIGTERM."""


@dataclass(frozen=True)
class Served:
    """A forge, built and published but for the package `slow`, and a server over it."""

    forge: SmallForge
    server: DagsterServer


@dataclass(frozen=True)
class ProjectCopy:
    """The project's configuration in a folder of its own, and the environment that names a forge.

    Attributes:
        folder: what a clone of the project has at its top for Dagster's commands.
        env: without DAGSTER_HOME: the dagster.yaml of `folder` says where the storage is.
    """

    folder: Path
    forge: SmallForge
    env: dict[str, str]


@pytest.fixture
def small_forge(tmp_path: Path) -> SmallForge:
    """A new forge, nothing built."""
    return make_small_forge(tmp_path / "forge")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ProjectCopy:
    """A copy of the project's configuration over a new forge; its tests build on each other's packages."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("workspace.yaml", "dagster.yaml", "pyproject.toml"):
        shutil.copy(PROJECT / name, folder)
    (folder / "wvforge_dagster").symlink_to(PROJECT / "wvforge_dagster")
    forge = make_small_forge(folder / "small")
    return ProjectCopy(folder, forge, environment(WVFORGE_FORGE=str(forge.root)))


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A small forge, built by ``wvforge build``, and then served."""
    with serve_small_forge(tmp_path_factory.mktemp("served")) as found:
        yield found


@contextmanager
def serve_small_forge(folder: Path) -> Iterator[Served]:
    """A forge in a folder, with everything published, served until the end."""
    forge = make_small_forge(folder / "forge")
    built = run("wvforge", "--forge", str(forge.root), "build")
    assert built.returncode == 0, built.stdout
    forge.write("slow", SLOW)
    with dagster_server(forge.root, folder / "server.log") as server:
        yield Served(forge, server)


@pytest.fixture(scope="session")
def embedded_forge() -> Path:
    """examples/embedded with everything published: as it is, or built now, which takes minutes."""
    if not set(states(EMBEDDED_FORGE).values()) <= DONE:
        built = run("wvforge", "--forge", str(EMBEDDED_FORGE), "build", "--jobs", "2", seconds=3600)
        assert built.returncode == 0, built.stdout[-5000:]
    return EMBEDDED_FORGE


@pytest.fixture
def window() -> Iterator[Browser]:
    """A window of a headless browser; the test is skipped where there is none."""
    lacking = missing_programs()
    if lacking:
        pytest.skip(f"the browser is {lacking}: tests/install_system_packages installs it where it may")
    with browser() as opened:
        yield opened
