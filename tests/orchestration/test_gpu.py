"""GPU tests: pending until a GPU ran them, noted beside the very file, and kept from publishing where forge.yaml says so."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import pytest
from servers.driver import put_driver
from small_forge import SmallForge

from orchestration.making import make, publish, published, quiet
from orchestration.test_command import run
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.gpu import GpuState
from wvforge_dagster.core.state import State
from wvforge_dagster.orchestration.code_location import forge_definitions
from wvforge_dagster.orchestration.gpu_testing import test_on_gpu as run_gpu_tests
from wvforge_dagster.orchestration.keys import package_key, upload_key

A = VariantId("a", "")


@pytest.fixture
def forge(small_forge: SmallForge) -> SmallForge:
    configure(small_forge, "required")
    asks(small_forge, "grep -q right $PREFIX/share/a.txt && cat numbers.txt")
    return small_forge


def configure(forge: SmallForge, gpu_tests: str, **keys: object) -> None:
    forge.configure(channels=[], variants=[], **{"gpu-tests": gpu_tests}, **keys)


def asks(forge: SmallForge, command: str, content: str = "right") -> None:
    """The recipe of ``a`` with this GPU test."""
    tests = [{"script": [command], "files": {"recipe": ["numbers.txt"]}}]
    more = f"extra: {json.dumps({'wvforge': {'gpu-tests': tests}})}\n"
    forge.package("a", f"mkdir -p $PREFIX/share; echo {content} > $PREFIX/share/a.txt", more=more)
    forge.write("pkgs/a/recipe/numbers.txt", "1 2 3\n")


@pytest.fixture
def gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(put_driver(tmp_path / "driver")), prepend=":")


@pytest.fixture
def no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(put_driver(tmp_path / "driver", "", 9)), prepend=":")


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_they_are_pending_and_keep_the_package_back_where_they_are_required(forge: SmallForge) -> None:
    make(forge, "a")
    assert run_gpu_tests(forge.open(), A, quiet).state is GpuState.PENDING
    status = forge.status("a")
    assert (status.state, status.gpu, status.goes_to) == (State.STAGED, GpuState.PENDING, ())
    assert status.reason == "its GPU tests are pending: run wvforge gpu-test on a machine with a GPU"
    assert publish(forge, "a").held == status.reason
    assert published(forge) == []


@pytest.mark.usefixtures("no_gpu")
def test_where_they_are_only_shown_the_package_is_published_and_they_stay_pending(forge: SmallForge) -> None:
    configure(forge, "shown")
    make(forge, "a")
    publish(forge, "a")
    status = forge.status("a")
    assert (status.state, status.gpu) == (State.PUBLISHED, GpuState.PENDING)


@pytest.mark.usefixtures("gpu")
def test_once_they_passed_on_a_gpu_the_package_is_published(forge: SmallForge) -> None:
    make(forge, "a")
    outcome = run_gpu_tests(forge.open(), A, quiet)
    ((_, record),) = outcome.records
    assert (outcome.state, outcome.output) == (GpuState.PASSED, "1 2 3")
    assert (record.gpu, record.driver, record.cuda) == ("NVIDIA H100 80GB HBM3", "580.65.06", "13.0")
    assert record.sha256 == forge.status("a").artifacts[0].sha256
    publish(forge, "a")
    assert len(published(forge)) == 1


@pytest.mark.usefixtures("gpu")
def test_a_test_that_fails_on_a_gpu_says_which_and_holds_the_package_back(forge: SmallForge) -> None:
    asks(forge, "echo the sums differ; false")
    make(forge, "a")
    outcome = run_gpu_tests(forge.open(), A, quiet)
    assert outcome.state is GpuState.FAILED
    assert "GPU test 1: the sums differ" in outcome.reason
    assert "GPU tests failed" in forge.status("a").held
    assert published(forge) == []


@pytest.mark.usefixtures("gpu")
def test_other_tests_or_another_file_have_not_passed(forge: SmallForge) -> None:
    make(forge, "a")
    run_gpu_tests(forge.open(), A, quiet)
    assert forge.status("a").gpu is GpuState.PASSED
    asks(forge, "true")
    assert forge.status("a").gpu is GpuState.PENDING
    asks(forge, "grep -q right $PREFIX/share/a.txt && cat numbers.txt", content="right too")
    make(forge, "a")
    assert forge.status("a").gpu is GpuState.PENDING


@pytest.mark.usefixtures("gpu")
def test_a_record_that_was_written_by_hand_does_not_count(forge: SmallForge) -> None:
    make(forge, "a")
    run_gpu_tests(forge.open(), A, quiet)
    (note,) = (forge.root / "output/staging").glob("*/*.wvforge.json")
    note.write_text(note.read_text().replace('"cuda": "13.0"', '"cuda": "14.0"'))
    assert "14.0" in note.read_text()
    assert forge.status("a").gpu is GpuState.PENDING


@pytest.mark.usefixtures("no_gpu")
def test_dagster_shows_a_check_that_has_not_passed_and_publishes_nothing(forge: SmallForge) -> None:
    job = forge_definitions(forge.open()).get_implicit_global_asset_job_def()
    selected = {package_key("a"), upload_key("a")}
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.get_subset(asset_selection=selected).execute_in_process(instance=instance)
    (check,) = (item for item in result.get_asset_check_evaluations() if item.check_name == "gpu")
    assert (check.passed, check.severity, check.description) == (
        False,
        dg.AssetCheckSeverity.WARN,
        "pending: no GPU on this machine",
    )
    assert published(forge) == []


@pytest.mark.usefixtures("gpu")
def test_the_command_runs_what_is_pending_and_says_what_came_of_it(forge: SmallForge) -> None:
    make(forge, "a")
    first = run(forge, "gpu-test")
    assert first.returncode == 0, first.stderr
    assert "a: passed on NVIDIA H100 80GB HBM3 (driver 580.65.06, CUDA 13.0)" in first.stdout
    assert "no GPU tests are pending" in run(forge, "gpu-test").stdout
    assert "GPU tests: passed on NVIDIA H100" in run(forge, "explain", "a").stdout


@pytest.mark.usefixtures("no_gpu")
def test_the_command_says_that_there_is_no_gpu(forge: SmallForge) -> None:
    make(forge, "a")
    done = run(forge, "gpu-test", "a")
    assert done.returncode == 2
    assert "nvidia-smi: no GPU on this machine" in done.stderr
    assert "GPU tests: 1 pending" in run(forge, "status").stdout


def test_gpu_tests_that_cannot_be_read_break_that_recipe_with_its_place(forge: SmallForge) -> None:
    forge.package("b", more="extra: {wvforge: {gpu-tests: [nvidia-smi]}}\n")
    assert forge.why_broken("b").startswith("pkgs/b/recipe/recipe.yaml: extra.wvforge.gpu-tests.0 is no test")


@pytest.mark.usefixtures("gpu")
def test_what_is_not_built_is_not_tested(forge: SmallForge) -> None:
    with pytest.raises(ForgeError, match=r"a: is missing \(never built\); build it first"):
        run_gpu_tests(forge.open(), A, quiet)
