"""The gate: what did not pass its tests and checks, as this very file, goes nowhere, whoever asks for it and however."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from small_forge import SmallForge

from orchestration.making import make, make_and_publish, publish, published, staged, why_not_made
from orchestration.test_command import run
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.failure import FailureClass
from wvforge_dagster.core.severity import CHECKS
from wvforge_dagster.orchestration.code_location import forge_definitions
from wvforge_dagster.orchestration.evidence import mend_channels
from wvforge_dagster.orchestration.gate import read_records
from wvforge_dagster.orchestration.keys import package_key, upload_key
from wvforge_dagster.orchestration.ready import ready_file
from wvforge_dagster.orchestration.verifying import own_artifact

LEFT = """
package: {name: a, version: "1.0"}
build:
  noarch: generic
  prefix_detection: {ignore: ["share/*"]}
  script: ["mkdir -p $PREFIX/share", "echo $PREFIX > $PREFIX/share/a.txt"]
about: {license: MIT}
"""
"""A recipe whose package holds a path of the build's host environment that nothing rewrites."""

SECOND = {"publish": [{"file": "output/channel"}, {"file": "output/second"}]}
NOTHING_SHOWN = "tests only, on the same file: checks: nothing shows that this very file passed them"


def configure(forge: SmallForge, **keys: object) -> None:
    forge.configure(channels=[], variants=[], **keys)


def the_file(forge: SmallForge, channel: str = "staging") -> Path:
    (path,) = (forge.root / "output" / channel).glob("*/*.conda")
    return path


def put_into_staging(forge: SmallForge, path: Path) -> None:
    """What somebody does by hand; wvforge itself then lists what lies there."""
    target = forge.root / "output" / "staging" / "noarch" / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)
    mend_channels(forge.open())
    assert target.name in staged(forge)


def kept_aside(forge: SmallForge) -> Path:
    (path,) = (forge.root / "output" / "aside").glob("*/*/*.conda")
    return path


def upload_alone(forge: SmallForge, package: str) -> bool:
    """Whether Dagster's upload asset, materialized alone, succeeds."""
    assets = forge_definitions(forge.open()).get_repository_def().assets_defs_by_key
    found = [assets[package_key(package)], assets[upload_key(package)]]
    with dg.DagsterInstance.ephemeral() as instance:
        selection = [upload_key(package)]
        return dg.materialize(found, selection=selection, instance=instance, raise_on_error=False).success


def assert_nothing_is_published(forge: SmallForge, package: str = "a") -> None:
    """Neither by publishing it, nor by the upload asset alone."""
    with pytest.raises(ForgeError, match=r"is (missing|stale|failed)|passed|check |not published"):
        publish(forge, package)
    assert not upload_alone(forge, package)
    assert published(forge) == []


def test_a_package_whose_check_failed_is_kept_aside_and_its_failure_is_named(small_forge: SmallForge) -> None:
    small_forge.recipe("a", LEFT)
    failed = why_not_made(small_forge, "a")
    assert failed.failure.failure_class is FailureClass.CHECK
    assert failed.failure.reason.startswith("check prefix: share/a.txt: holds a path of the build's host environment")
    assert {result.name for _, result in failed.checks if result.findings} == {"license", "prefix", "tests"}
    assert (staged(small_forge), small_forge.states()) == ([], {"a": "failed"})
    assert kept_aside(small_forge).name == "a-1.0-h4616a5c_0.conda"


@pytest.mark.integration
def test_a_package_whose_check_failed_cannot_be_published_by_any_command_or_asset(small_forge: SmallForge) -> None:
    small_forge.recipe("a", LEFT)
    done = run(small_forge, "build")
    assert (done.returncode, published(small_forge)) == (1, [])
    assert "failed (check): a: check prefix: share/a.txt: holds a path" in done.stderr
    assert_nothing_is_published(small_forge)
    put_into_staging(small_forge, kept_aside(small_forge))
    assert_nothing_is_published(small_forge)
    shutil.rmtree(small_forge.root / "output" / "failures")
    assert small_forge.status("a").reason == NOTHING_SHOWN
    assert_nothing_is_published(small_forge)
    for words in (["build"], ["build", "a", "--force"]):
        done = run(small_forge, *words)
        assert (done.returncode, published(small_forge)) == (1, []), words
    assert_nothing_is_published(small_forge)


def test_a_package_whose_test_failed_is_no_better_off_in_staging(small_forge: SmallForge) -> None:
    small_forge.package("a", test="cat absent")
    why_not_made(small_forge, "a")
    put_into_staging(small_forge, kept_aside(small_forge))
    shutil.rmtree(small_forge.root / "output" / "failures")
    assert small_forge.status("a").reason == NOTHING_SHOWN
    assert_nothing_is_published(small_forge)
    assert why_not_made(small_forge, "a").failure.failure_class is FailureClass.TEST
    assert_nothing_is_published(small_forge)


@pytest.mark.parametrize("forged", ["copied", "written"])
def test_a_record_that_was_copied_or_written_by_hand_counts_for_nothing(small_forge: SmallForge, forged: str) -> None:
    small_forge.package("b")
    make(small_forge, "b")
    good = the_file(small_forge)
    note = json.loads(good.with_name(f"{good.name}.wvforge.json").read_text())
    small_forge.recipe("a", LEFT)
    why_not_made(small_forge, "a")
    put_into_staging(small_forge, kept_aside(small_forge))
    shutil.rmtree(small_forge.root / "output" / "failures")
    forge = small_forge.open()
    (entry,) = [entry for entry in forge.staging.entries() if entry.name == "a"]
    if forged == "written":
        note["notes"][0]["gate"]["sha256"] = entry.sha256
        assert all(not found["findings"] for found in note["notes"][0]["gate"]["results"] if found["name"] == "prefix")
    path = good.with_name(f"{entry.filename}.wvforge.json")
    path.write_text(json.dumps({"sha256": entry.sha256, "notes": note["notes"]}))
    assert read_records(forge, entry) == ()
    assert small_forge.status("a").reason == NOTHING_SHOWN
    assert_nothing_is_published(small_forge)


def test_a_good_file_without_its_record_is_tested_and_checked_again_and_then_published(small_forge: SmallForge) -> None:
    small_forge.package("a", test="test -f $PREFIX/share/a.txt")
    make(small_forge, "a")
    before = the_file(small_forge).read_bytes()
    (small_forge.root / "output" / "gate.key").unlink()
    assert small_forge.status("a").reason == NOTHING_SHOWN
    with pytest.raises(ForgeError, match="is stale"):
        publish(small_forge, "a")
    made = make(small_forge, "a")
    assert (made.outcome, len(made.tests), len(made.checks)) == ("tested", 1, len(CHECKS))
    publish(small_forge, "a")
    assert small_forge.states() == {"a": "published"}
    assert the_file(small_forge, "channel").read_bytes() == before


def test_losing_staging_loses_nothing_that_is_published(small_forge: SmallForge) -> None:
    small_forge.package("a", test="test -f $PREFIX/share/a.txt")
    make_and_publish(small_forge, "a")
    shutil.rmtree(small_forge.root / "output" / "staging")
    (small_forge.root / "output" / "gate.key").unlink()
    assert small_forge.states() == {"a": "published"}
    assert publish(small_forge, "a").artifacts
    assert make(small_forge, "a").ran is False


@pytest.mark.parametrize("good", [True, False])
def test_what_only_a_target_holds_is_verified_before_it_goes_to_another(small_forge: SmallForge, good: bool) -> None:
    small_forge.recipe("a", LEFT)
    configure(small_forge, checks={"prefix": "warning"})
    make_and_publish(small_forge, "a")
    shutil.rmtree(small_forge.root / "output" / "staging")
    configure(small_forge, **SECOND, checks={"prefix": "warning" if good else "error"})
    assert small_forge.states() == {"a": "staged"}
    second = small_forge.root / "output" / "second"
    if good:
        publish(small_forge, "a")
        assert small_forge.states() == {"a": "published"}
        assert the_file(small_forge, "second").read_bytes() == the_file(small_forge, "channel").read_bytes()
    else:
        with pytest.raises(ForgeError, match=r"check prefix: share/a\.txt"):
            publish(small_forge, "a")
        assert list(second.glob("*/*.conda")) == []
        assert small_forge.states() == {"a": "staged"}
        assert small_forge.status("a").reason.startswith("not published: check prefix: share/a.txt")


def test_records_do_not_leave_staging_and_none_is_taken_from_a_target(small_forge: SmallForge) -> None:
    small_forge.package("a")
    make_and_publish(small_forge, "a")
    forge = small_forge.open()
    (_, target) = forge.targets[0]
    (entry,) = forge.staging.entries()
    assert len(read_records(forge, entry)) == 1
    assert target.notes(entry) == ()
    target.add_notes(entry, forge.staging.notes(entry))
    shutil.rmtree(small_forge.root / "output" / "staging")
    configure(small_forge, **SECOND)
    publish(small_forge, "a")
    assert len(read_records(forge, entry)) == 1  # that of the verification


def test_a_check_that_was_made_an_error_since_keeps_a_staged_package_back(small_forge: SmallForge) -> None:
    small_forge.package("a")
    make(small_forge, "a")
    assert small_forge.states() == {"a": "staged"}
    configure(small_forge, checks={"license": "error"})
    assert small_forge.status("a").reason == NOTHING_SHOWN
    assert_nothing_is_published(small_forge)
    failed = why_not_made(small_forge, "a")
    assert failed.failure.reason == ("check license: no text of the license MIT is in the package (about.license_file)")
    assert small_forge.states() == {"a": "failed"}
    configure(small_forge, checks={"packages": {"a": {"license": "off"}}, "license": "error"})
    assert small_forge.states() == {"a": "staged"}
    publish(small_forge, "a")
    assert small_forge.states() == {"a": "published"}


def test_a_failed_check_that_is_made_a_warning_builds_the_package_again(small_forge: SmallForge) -> None:
    small_forge.recipe("a", LEFT)
    why_not_made(small_forge, "a")
    configure(small_forge, checks={"prefix": "warning"})
    assert small_forge.states() == {"a": "missing"}
    make_and_publish(small_forge, "a")
    assert small_forge.states() == {"a": "published"}


def test_a_build_that_came_out_equal_vouches_for_the_file_that_is_there(small_forge: SmallForge) -> None:
    small_forge.package("a", test="test -f $PREFIX/share/a.txt")
    make(small_forge, "a")
    small_forge.edit("a", "mkdir -p", "mkdir  -p")
    made = make(small_forge, "a")
    assert made.outcome.startswith("built, and came out equal")
    assert small_forge.states() == {"a": "staged"}
    publish(small_forge, "a")
    assert small_forge.states() == {"a": "published"}


@pytest.mark.parametrize(
    ("part", "change"),
    [("pkg-", {"share/a.txt": b"evil\n"}), ("info-", {"info/link.json": b'{"noarch": {"type": "generic"}}'})],
    ids=["payload", "link.json"],
)
def test_a_file_that_only_says_that_it_is_equal_is_not_taken_for_it(
    small_forge: SmallForge, part: str, change: dict[str, bytes | None]
) -> None:
    from build.test_package_checks import rewritten

    small_forge.package("a", test="test -f $PREFIX/share/a.txt")
    make(small_forge, "a")
    true = the_file(small_forge)
    other = rewritten(true, small_forge.root / true.name, change, part=part)
    shutil.rmtree(small_forge.root / "output" / "staging")
    put_into_staging(small_forge, other)
    assert small_forge.status("a").reason == NOTHING_SHOWN
    assert_nothing_is_published(small_forge)
    made = make(small_forge, "a", force=True)
    assert (made.outcome, made.artifacts[0].build_number) == ("built", 1)
    publish(small_forge, "a")
    assert published(small_forge) == ["a-1.0-h4616a5c_1.conda"]


def test_a_record_of_what_was_a_warning_does_not_make_an_equal_build_pass_for_the_file(small_forge: SmallForge) -> None:
    from build.test_package_checks import rewritten

    configure(small_forge, checks={"contents": "warning"})
    small_forge.package("a", test="test -f $PREFIX/share/a.txt")
    make(small_forge, "a")
    true = the_file(small_forge)
    other = rewritten(true, small_forge.root / true.name, {"share/a.txt": b"evil\n"}, part="pkg-")
    shutil.rmtree(small_forge.root / "output" / "staging")
    put_into_staging(small_forge, other)
    make(small_forge, "a")
    assert small_forge.states() == {"a": "staged"}
    configure(small_forge)
    assert_nothing_is_published(small_forge)
    made = make(small_forge, "a", force=True)
    assert (made.outcome, made.artifacts[0].build_number) == ("built", 1)


def test_a_file_that_is_to_replace_another_passed_the_tests_that_its_recipe_has_now(small_forge: SmallForge) -> None:
    small_forge.package("a", test="grep -q a $PREFIX/share/a.txt")
    make_and_publish(small_forge, "a")
    small_forge.edit("a", "grep -q a", "grep -q better")
    assert why_not_made(small_forge, "a").failure.failure_class is FailureClass.TEST
    forge = small_forge.open()
    (entry,) = forge.staging.entries()
    artifact = own_artifact(forge, forge.staging, entry)
    assert artifact is not None
    with pytest.raises(ForgeError, match="nothing shows that this very file passed its tests"):
        ready_file(forge, entry, artifact, small_forge.status("a"))


def test_a_file_without_a_record_is_not_said_to_have_passed_package_contents(small_forge: SmallForge) -> None:
    small_forge.package("a", more="tests: [{package_contents: {files: [share/a.txt]}}]\n")
    make(small_forge, "a")
    (small_forge.root / "output" / "gate.key").unlink()
    failed = why_not_made(small_forge, "a")
    assert "nothing shows that this very file passed package_contents" in failed.failure.reason
    assert_nothing_is_published(small_forge)
    assert make(small_forge, "a", force=True).outcome.startswith("built, and came out equal")
    publish(small_forge, "a")
    assert small_forge.states() == {"a": "published"}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


COLUMNS = """
package: {name: a, version: "1.0"}
build:
  variant: {use_keys: [cuda_version]}
  prefix_detection: {ignore: ["share/*"]}
  script: ["mkdir -p $PREFIX/share", "echo ${{ cuda_version }} | sed \\"s:13.2:$PREFIX:\\" > $PREFIX/share/a.txt"]
about: {license: MIT}
"""


def test_dagster_shows_each_check_of_each_partition_with_what_it_found(
    small_forge: SmallForge, instance: dg.DagsterInstance
) -> None:
    small_forge.configure(channels=[], checks={"size": "off"})
    small_forge.write("variants.yaml", "cuda_version: ['13.0', '13.2']\n")
    small_forge.recipe("a", COLUMNS)
    asset = forge_definitions(small_forge.open()).get_repository_def().assets_defs_by_key[package_key("a")]
    shown = {}
    for partition in ("13.0", "13.2"):
        result = dg.materialize([asset], instance=instance, partition_key=partition, raise_on_error=False)
        assert result.success is (partition == "13.0")
        for check in result.get_asset_check_evaluations():
            assert check.partition == partition
            shown[partition, check.check_name] = check
    names = [name for name in CHECKS if name != "size"]
    assert sorted(shown) == [("13.0", "package_checks"), ("13.2", "package_checks")]
    good, bad = rows(shown["13.0", "package_checks"]), rows(shown["13.2", "package_checks"])
    assert list(good) == list(bad) == names
    assert good["prefix"] == ("passed", "")
    assert bad["prefix"] == ("error", "share/a.txt")
    assert bad["license"] == ("warning", "")
    assert not shown["13.2", "package_checks"].passed
    assert shown["13.2", "package_checks"].severity is dg.AssetCheckSeverity.ERROR
    assert shown["13.0", "package_checks"].severity is dg.AssetCheckSeverity.WARN
    assert (shown["13.0", "package_checks"].description or "").startswith("check license: no text of the license MIT")
    assert {spec.name for spec in asset.check_specs if spec.blocking} == {"package_checks"}


def rows(evaluation: dg.AssetCheckEvaluation) -> dict[str, tuple[str, str]]:
    """What the table shows of each check: the result, and the file of the first finding."""
    records = evaluation.metadata["checks"].value.records  # type: ignore[union-attr]
    shown = [(str(row.data["check"]), (str(row.data["result"]), str(row.data["file"]))) for row in records]
    found: dict[str, tuple[str, str]] = {}
    for name, row in shown:
        found.setdefault(name, row)
    return found


@pytest.mark.integration
def test_the_command_names_what_the_checks_found_in_one_line_each(small_forge: SmallForge) -> None:
    small_forge.package("a")
    done = run(small_forge, "build")
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if line.startswith("warning: a:")] == [
        "warning: a: check license: no text of the license MIT is in the package (about.license_file)",
        "warning: a: check tests: the recipe has no tests",
    ]
