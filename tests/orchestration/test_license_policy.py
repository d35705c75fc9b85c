"""A package whose license a target does not take: said before it is built, staged, published to the others."""

from __future__ import annotations

import shutil

import pytest
from small_forge import SmallForge

from orchestration.making import make, make_and_publish, publish
from orchestration.test_channel_commands import run
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.orchestration.asset_specs import asset_signature, upload_spec
from wvforge_dagster.orchestration.explain import explain
from wvforge_dagster.orchestration.promoting import promote

OPEN, PERMISSIVE = "file:output/channel", "file:output/permissive"
WHY = f"not published to {PERMISSIVE}: its license GPL-3.0-only is not allowed there"


def with_policy(forge: SmallForge, **more: object) -> None:
    policy = {"file": "output/permissive", "licenses": {"allow": ["MIT", "BSD-*"]}, **more}
    forge.configure(channels=[], variants=[], publish=[{"file": "output/channel"}, policy])


@pytest.fixture
def forge(small_forge: SmallForge) -> SmallForge:
    with_policy(small_forge)
    small_forge.package("free")
    small_forge.package("bound")
    small_forge.edit("bound", "license: MIT", "license: GPL-3.0-only")
    return small_forge


def listed(forge: SmallForge, position: int) -> set[str]:
    return {entry.name for entry in forge.open().targets[position][1].entries()}


def test_it_is_said_before_anything_is_built(forge: SmallForge) -> None:
    assert forge.status("bound").reason == f"never built; {WHY}"
    assert forge.status("free").reason == "never built"
    opened = forge.open()
    assert next(explain(opened, "bound", None)) == f"bound: missing: never built; {WHY}"
    package = opened.catalog.packages["bound"]
    assert upload_spec(opened, package).description == (
        f"bound, published to {OPEN} and read back from there. N{WHY[1:]}."
    )
    planned = run(forge, "build", "--dry-run").stdout.splitlines()
    assert f"would build: bound: never built; {WHY}" in planned
    assert f"would publish: bound: what comes out to {OPEN}" in planned
    assert f"would publish: free: what comes out to {OPEN}, {PERMISSIVE}" in planned
    before = asset_signature(opened, package, None)
    forge.configure(channels=[], variants=[], publish=[{"file": "output/channel"}, {"file": "output/permissive"}])
    opened = forge.open()
    assert asset_signature(opened, opened.catalog.packages["bound"], None) != before, "Dagster loads it anew"


def test_a_build_stages_it_publishes_it_elsewhere_and_is_a_success(forge: SmallForge) -> None:
    done = run(forge, "build")
    assert done.exit_code == 0, done.output
    assert (listed(forge, 0), listed(forge, 1)) == ({"free", "bound"}, {"free"})
    assert forge.status("bound").reason == f"up to date; {WHY}"
    assert forge.states() == {"free": "published", "bound": "published"}
    verified = run(forge, "channel", "verify")
    assert verified.exit_code == 0, verified.output


def test_what_no_target_takes_is_staged(forge: SmallForge) -> None:
    forge.configure(channels=[], variants=[], publish=[{"file": "output/permissive", "licenses": {"deny": ["GPL-*"]}}])
    done = run(forge, "build")
    assert done.exit_code == 0, done.output
    status = forge.status("bound")
    assert (status.state.value, status.reason) == ("staged", f"it goes to no publish target; {WHY}")
    assert listed(forge, 0) == {"free"}


def test_a_policy_that_is_changed_changes_what_is_published(forge: SmallForge) -> None:
    make_and_publish(forge, "bound")
    with_policy(forge, licenses={"allow": ["GPL-3.0-only"]})
    assert forge.status("bound").reason == f"not yet in {PERMISSIVE}"
    publish(forge, "bound")
    assert listed(forge, 1) == {"bound"}
    with_policy(forge)
    assert forge.status("bound").reason == f"up to date; {WHY}"
    verified = run(forge, "channel", "verify", PERMISSIVE)
    (entry,) = forge.open().targets[1][1].entries()
    assert verified.exit_code == 1
    assert (
        f"{PERMISSIVE}: bound: {entry.filename} is there: {WHY.partition(': ')[2]}; remove it there, or allow its license in "
        "forge.yaml\n"
    ) in verified.stdout


def test_a_column_is_promoted_without_it(forge: SmallForge) -> None:
    with_policy(forge, publish="by-column")
    make_and_publish(forge, "free", "bound")
    assert forge.status("bound").reason == f"up to date; {WHY}"
    promote(forge.open(), ("",))
    assert listed(forge, 1) == {"free"}


def test_it_replaces_no_file_there(forge: SmallForge) -> None:
    make(forge, "bound")
    (entry,) = forge.open().staging.entries()
    shutil.copytree(forge.root / "output" / "staging", forge.root / "output" / "permissive", dirs_exist_ok=True)
    done = run(forge, "channel", "replace", PERMISSIVE, entry.filename)
    assert done.exit_code == 2
    assert str(done.exception) == f"{PERMISSIVE}: {entry.filename} is not published there: {WHY.partition(': ')[2]}"


def test_a_policy_with_a_fault_names_its_key(forge: SmallForge) -> None:
    for licenses, words in (
        ({"allow": ["MTI"]}, "publish.1.licenses.allow.0: 'MTI' is no license of SPDX's list"),
        ({"alow": ["MIT"]}, "publish.1.licenses.alow: unknown key; known keys: allow, deny"),
        ({}, "publish.1.licenses: wants one of allow and deny"),
        (["MIT"], "publish.1.licenses: "),
    ):
        with_policy(forge, licenses=licenses)
        with pytest.raises(ForgeError) as error:
            forge.open()
        assert words in str(error.value)
