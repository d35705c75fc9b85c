"""Dagster's own commands find the forge through the configuration that the project ships."""

from __future__ import annotations

import re

import pytest

from integration.commands import run, states
from integration.conftest import ProjectCopy

pytestmark = pytest.mark.integration

MODULE = "wvforge_dagster.definitions"
COLUMN = "13.0|3.12"


def _succeeds(project: ProjectCopy, *command: str) -> str:
    done = run(*command, cwd=project.folder, env=project.env)
    assert done.returncode == 0, done.stdout[-5000:]
    return done.stdout


def test_definitions_are_valid(project: ProjectCopy) -> None:
    assert "Validation successful for code location wvforge" in _succeeds(project, "dagster", "definitions", "validate")
    assert "All definitions loaded successfully" in _succeeds(project, "dg", "check", "defs")


def test_assets_and_jobs_are_listed(project: ProjectCopy) -> None:
    packages = ("cu-b", "cu-c", "lib-a", "top")
    listed = _succeeds(project, "dagster", "asset", "list", "-m", MODULE).split()
    assert set(listed) == {*packages, *(f"upload/{name}" for name in packages)}
    jobs = re.findall(r"^Job: (\S+)", _succeeds(project, "dagster", "job", "list"), re.MULTILINE)
    assert {"column", "everything"} <= set(jobs)


def test_a_package_without_variants_is_launched_and_published_with_dg(project: ProjectCopy) -> None:
    shown = _succeeds(project, "dg", "launch", "--assets", "lib-a,upload/lib-a")
    assert "staging lib-a-1.0-" in shown
    assert states(project.forge.root)["lib-a", None] == "published"
    assert (project.folder / "output" / "dagster" / "history").is_dir(), "the storage that dagster.yaml names is used"


def test_one_column_of_a_package_is_launched_with_dg(project: ProjectCopy) -> None:
    _succeeds(project, "dg", "launch", "--assets", "lib-a")
    _succeeds(project, "dg", "launch", "--assets", "cu-b", "--partition", COLUMN)
    found = states(project.forge.root)
    assert found["cu-b", COLUMN] == "staged"
    assert {found["cu-b", other] for other in ("13.0|3.13", "13.2|3.12", "13.2|3.13")} == {"missing"}


def test_packages_are_materialized_with_dagster(project: ProjectCopy) -> None:
    _succeeds(project, "dagster", "asset", "materialize", "-m", MODULE, "--select", "lib-a")
    _succeeds(project, "dagster", "asset", "materialize", "-m", MODULE, "--select", "cu-b", "--partition", "13.2|3.13")
    found = states(project.forge.root)
    assert found["lib-a", None] in ("staged", "published")
    assert found["cu-b", "13.2|3.13"] == "staged"


def test_a_package_that_fails_gives_its_reason_and_a_status(project: ProjectCopy) -> None:
    project.forge.write(
        "bad-one",
        """\
package: {name: bad-one, version: "1.0"}
build: {noarch: generic, script: ["echo first step", "cat no-such-file.txt"]}
""",
    )
    reason = "cat: no-such-file.txt: No such file or directory"
    for command in (["dagster", "asset", "materialize", "-m", MODULE, "--select"], ["dg", "launch", "--assets"]):
        done = run(*command, "bad-one", cwd=project.folder, env=project.env)
        assert done.returncode == 1, done.stdout
        assert reason in done.stdout, done.stdout
    assert states(project.forge.root)["bad-one", None] == "failed"


def test_a_package_is_not_built_before_what_it_builds_against(project: ProjectCopy) -> None:
    done = run("dg", "launch", "--assets", "cu-c", "--partition", "13.0|3.13", cwd=project.folder, env=project.env)
    assert done.returncode == 1, done.stdout
    assert "cu-b[13.0|3.13] is missing" in done.stdout, done.stdout
