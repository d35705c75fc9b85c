"""The sensor of changed recipes, tick by tick, over a real forge and a real Dagster instance."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from small_forge import SmallForge

from orchestration.making import make_and_publish
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.orchestration import sensors
from wvforge_dagster.orchestration.code_location import forge_definitions
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.keys import package_key, upload_key
from wvforge_dagster.orchestration.locks import run_lock, variant_lock
from wvforge_dagster.orchestration.run_worker import PACKAGE_TAG, REASON_TAG
from wvforge_dagster.orchestration.sensors import WANTS_TAG, changed_recipes_sensor

IN_COLUMNS = """
package: {name: mid, version: "1.0"}
build:
  variant: {use_keys: [cuda_version]}
  script: ["mkdir -p $PREFIX/share", "cat $PREFIX/share/low.txt > $PREFIX/share/mid.txt"]
requirements: {host: [low]}
"""
Tick = dg.SensorResult | dg.SkipReason


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


class Watched:
    """A forge whose definitions are loaded, and its sensor."""

    def __init__(self, forge: SmallForge, instance: dg.DagsterInstance) -> None:
        self._forge = forge
        self.instance = instance
        self.load()

    def load(self) -> None:
        """Load the definitions anew, as a code location does."""
        self.loaded: ForgeOnDisk = self._forge.open()
        self._sensor = changed_recipes_sensor(self.loaded)

    def tick(self) -> Tick:
        found = self._sensor(dg.build_sensor_context(instance=self.instance))
        assert isinstance(found, dg.SensorResult | dg.SkipReason)
        return found

    def asked(self) -> list[dg.RunRequest]:
        found = self.tick()
        assert isinstance(found, dg.SensorResult), found
        return list(found.run_requests or [])

    def skipped(self) -> str:
        found = self.tick()
        assert isinstance(found, dg.SkipReason), found
        return found.skip_message or ""

    def queue(self, request: dg.RunRequest, status: dg.DagsterRunStatus = dg.DagsterRunStatus.QUEUED) -> dg.DagsterRun:
        """Make the run of a request, as the daemon does."""
        assert request.asset_selection
        keys = {key for key in request.asset_selection if isinstance(key, dg.AssetKey)}
        job = forge_definitions(self.loaded).get_repository_def().get_implicit_job_def_for_assets(keys)
        assert job is not None
        partition = request.partition_key
        tags = {**request.tags, **({"dagster/partition": partition} if partition else {})}
        location = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="wvforge_dagster.definitions"))
        origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), job.name)
        return self.instance.create_run_for_job(
            job,
            run_config=request.run_config,
            tags=tags,
            asset_selection=keys,
            status=status,
            remote_job_origin=origin,
        )


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a forge of three packages that are published."""
    forge = SmallForge(tmp_path_factory.mktemp("published"))
    forge.package("low")
    forge.package("high", host=("low",))
    forge.package("other")
    make_and_publish(forge, "low", "high", "other")
    return forge.root


@pytest.fixture
def watched(published: Path, small_forge: SmallForge, instance: dg.DagsterInstance) -> Watched:
    """A forge of three packages that are published: high builds against low."""
    shutil.copytree(published, small_forge.root, dirs_exist_ok=True)
    return Watched(small_forge, instance)


def packages(requests: list[dg.RunRequest]) -> list[list[str]]:
    """The packages that each request builds and uploads."""
    found = []
    for request in requests:
        keys = [key for key in request.asset_selection or [] if isinstance(key, dg.AssetKey)]
        names = [key.path[-1] for key in keys if len(key.path) == 1]
        assert set(keys) == {key(name) for name in names for key in (package_key, upload_key)}
        found.append(names)
    return found


def test_when_all_is_published_a_tick_says_so(watched: Watched) -> None:
    assert watched.skipped() == "all 3 package variants are up to date"


def test_a_changed_recipe_is_asked_for_with_its_dependents_and_says_why(
    watched: Watched, small_forge: SmallForge
) -> None:
    small_forge.edit("low", "echo low >", "echo new >")
    assert "changed since the definitions were loaded: the daemon loads them anew" in watched.skipped()
    watched.load()
    (request,) = watched.asked()
    assert packages([request]) == [["low", "high"]]
    assert request.partition_key is None
    assert request.tags[REASON_TAG] == "low: build.script: line 2"
    assert set(json.loads(request.tags[WANTS_TAG])) == {"low", "high"}
    assert request.run_config["ops"]["build__low"] == {"config": {"reason": "build.script: line 2"}}
    assert request.run_config["ops"]["build__high"] == {"config": {"reason": "follows what it needs"}}
    # What it asks for can be run.
    run = watched.queue(request)
    assert run.asset_selection == {key(name) for name in ("low", "high") for key in (package_key, upload_key)}


UNDER_WAY = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED]
OVER = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


@pytest.mark.parametrize("status", UNDER_WAY + OVER)
def test_what_was_asked_for_is_not_asked_for_by_the_next_tick(
    watched: Watched, small_forge: SmallForge, status: dg.DagsterRunStatus
) -> None:
    small_forge.edit("low", "echo low >", "echo new >")
    watched.load()
    (request,) = watched.asked()
    watched.queue(request, status)
    assert watched.skipped() == "nothing new to do: 2 are being made or were asked for already"


@pytest.mark.parametrize("status", UNDER_WAY + OVER)
def test_what_was_asked_for_and_changed_again_is_asked_for_once_the_run_is_over(
    watched: Watched, small_forge: SmallForge, status: dg.DagsterRunStatus
) -> None:
    small_forge.edit("low", "echo low >", "echo new >")
    watched.load()
    watched.queue(watched.asked()[0], status)
    small_forge.edit("low", "echo new >", "echo newer >")
    watched.load()
    if status in UNDER_WAY:
        assert "asked for already" in watched.skipped()
    else:
        assert packages(watched.asked()) == [["low", "high"]]


def test_a_lost_storage_gives_the_same_requests(watched: Watched, small_forge: SmallForge) -> None:
    small_forge.edit("low", "echo low >", "echo new >")
    watched.load()
    first = watched.asked()
    watched.queue(first[0])
    with dg.DagsterInstance.ephemeral() as empty:
        watched.instance = empty
        again = watched.asked()
    assert [vars(request) for request in again] == [vars(request) for request in first]


def test_a_recipe_that_is_switched_to_another_content_and_back_asks_for_nothing(
    watched: Watched, small_forge: SmallForge
) -> None:
    small_forge.edit("low", "echo low >", "echo new >")
    watched.load()
    assert packages(watched.asked()) == [["low", "high"]]
    small_forge.edit("low", "echo new >", "echo low >")
    watched.load()
    assert watched.skipped() == "all 3 package variants are up to date"


def test_a_run_of_somebody_else_is_waited_for(watched: Watched, small_forge: SmallForge) -> None:
    small_forge.edit("low", "echo low >", "echo new >")
    small_forge.edit("other", "echo other >", "echo new >")
    watched.load()
    keys = [package_key("low"), upload_key("low")]
    watched.queue(dg.RunRequest(asset_selection=keys))
    assert packages(watched.asked()) == [["other"]]


def test_a_run_of_a_whole_column_is_waited_for_though_it_names_no_asset(
    small_forge: SmallForge, instance: dg.DagsterInstance
) -> None:
    small_forge.configure(channels=[])
    small_forge.write("variants.yaml", "cuda_version: ['13.0', '13.2']\n")
    small_forge.recipe("mid", IN_COLUMNS.replace("{host: [low]}", "{host: []}"))
    small_forge.package("alone")
    watched = Watched(small_forge, instance)
    job = forge_definitions(watched.loaded).get_repository_def().get_job("column_cuda")
    run = instance.create_run_for_job(job, tags={"dagster/partition": "13.0"})
    assert run.asset_selection is None
    assert [(packages([request]), request.partition_key) for request in watched.asked()] == [([["mid"]], "13.2")]


@pytest.mark.parametrize("alive", [True, False])
def test_a_run_of_a_command_is_waited_for_as_long_as_its_process_lives(
    watched: Watched, small_forge: SmallForge, alive: bool
) -> None:
    small_forge.edit("low", "echo low >", "echo new >")
    watched.load()
    request = dg.RunRequest(asset_selection=[package_key("low"), upload_key("low")], tags={PACKAGE_TAG: "low"})
    run = watched.queue(request, dg.DagsterRunStatus.STARTED)
    with run_lock(watched.loaded, run.run_id) if alive else nullcontext():
        if alive:
            assert "asked for already" in watched.skipped()
        else:
            assert packages(watched.asked()) == [["low", "high"]]


def test_what_a_run_made_and_was_removed_since_is_asked_for_again_after_a_while(
    watched: Watched, small_forge: SmallForge, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_forge.edit("low", "echo low >", "echo new >")
    watched.load()
    watched.queue(watched.asked()[0], dg.DagsterRunStatus.SUCCESS)
    assert "asked for already" in watched.skipped()
    monkeypatch.setattr(sensors, "SETTLED_SECONDS", -1.0)
    assert packages(watched.asked()) == [["low", "high"]]


def test_a_command_that_builds_it_now_is_waited_for(watched: Watched, small_forge: SmallForge) -> None:
    small_forge.edit("low", "echo low >", "echo new >")
    watched.load()
    with variant_lock(small_forge.open(), VariantId("low")):
        assert watched.skipped() == "nothing new to do: 2 are being made or were asked for already"
    assert packages(watched.asked()) == [["low", "high"]]


def test_a_broken_forge_yaml_is_the_reason_of_a_tick_without_requests(
    watched: Watched, small_forge: SmallForge
) -> None:
    small_forge.write("forge.yaml", "chanels: []\n")
    assert watched.skipped().startswith(
        f"the forge cannot be read: {small_forge.root}/forge.yaml: chanels: unknown key; known keys: "
    )


def test_a_broken_variant_file_is_the_reason_of_a_tick_without_requests(
    watched: Watched, small_forge: SmallForge
) -> None:
    small_forge.configure(channels=[], variants=["variants.yaml"])
    small_forge.write("variants.yaml", "python: [")
    assert f"the forge cannot be read: {small_forge.root}/variants.yaml" in watched.skipped()


def test_a_damaged_channel_is_the_reason_of_a_tick_without_requests(watched: Watched, small_forge: SmallForge) -> None:
    small_forge.write("output/staging/noarch/repodata.json", "{")
    assert f"{small_forge.root}/output/staging/noarch/repodata.json" in watched.skipped()


LOADED_ANEW = (
    "recipes or variant files changed since the definitions were loaded: the daemon loads them anew within a minute"
)


def test_a_new_a_renamed_and_a_removed_recipe_have_the_definitions_loaded_anew(
    watched: Watched, small_forge: SmallForge
) -> None:
    small_forge.package("new")
    assert watched.skipped() == LOADED_ANEW
    watched.load()
    assert packages(watched.asked()) == [["new"]]
    (small_forge.root / "pkgs/new").rename(small_forge.root / "pkgs/renamed")
    assert watched.skipped() == LOADED_ANEW
    watched.load()
    (small_forge.root / "pkgs/renamed/recipe/recipe.yaml").unlink()
    assert watched.skipped() == LOADED_ANEW
    watched.load()
    assert watched.skipped() == "all 3 package variants are up to date"


def test_another_target_has_the_definitions_loaded_anew_and_is_uploaded_to(
    watched: Watched, small_forge: SmallForge
) -> None:
    small_forge.configure(
        channels=[], variants=[], publish=[{"file": "output/channel"}, {"file": "more", "only": ["low"]}]
    )
    assert watched.skipped() == LOADED_ANEW
    watched.load()
    (request,) = watched.asked()
    assert packages([request]) == [["low"]]
    assert request.tags[REASON_TAG] == "low: not yet in file:more"


def test_a_recipe_that_breaks_leaves_the_others_to_be_asked_for(watched: Watched, small_forge: SmallForge) -> None:
    small_forge.recipe("broken", "package: [")
    small_forge.edit("other", "echo other >", "echo new >")
    watched.load()
    assert packages(watched.asked()) == [["other"]]


def test_a_new_column_has_the_definitions_loaded_anew_and_is_asked_for_alone(
    small_forge: SmallForge, instance: dg.DagsterInstance
) -> None:
    small_forge.configure(channels=[])
    small_forge.write("variants.yaml", "cuda_version: ['13.0']\n")
    small_forge.package("low")
    small_forge.recipe("mid", IN_COLUMNS)
    watched = Watched(small_forge, instance)
    assert packages(watched.asked()) == [["low"]]
    make_and_publish(small_forge, "low")
    (request,) = watched.asked()
    assert (packages([request]), request.partition_key) == ([["mid"]], "13.0")
    watched.queue(request)
    small_forge.write("variants.yaml", "cuda_version: ['13.0', '13.2']\n")
    assert watched.skipped() == LOADED_ANEW
    watched.load()
    (request,) = watched.asked()
    assert (packages([request]), request.partition_key) == ([["mid"]], "13.2")
    assert request.tags[REASON_TAG].startswith("mid: never built")


def test_the_sensor_is_on_where_the_forge_is_watched(small_forge: SmallForge) -> None:
    assert changed_recipes_sensor(small_forge.open()).default_status is dg.DefaultSensorStatus.STOPPED
    small_forge.configure(channels=[], variants=[], watch=7)
    sensor = changed_recipes_sensor(small_forge.open())
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert sensor.minimum_interval_seconds == 7
