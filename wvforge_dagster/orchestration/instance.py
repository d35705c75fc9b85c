"""Dagster's instance of a forge: its storage lies in the forge's output folder unless DAGSTER_HOME says otherwise."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

import dagster as dg
from dagster._core.instance import InstanceRef

from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.whole_files import write_whole
from wvforge_dagster.settings import dagster_home


def prepare_home(forge: ForgeOnDisk) -> Path:
    """The folder that DAGSTER_HOME should name; made, with the project's settings, if it is new."""
    home = dagster_home(forge.output)
    if not (home / "dagster.yaml").exists():
        settings = importlib.resources.files("wvforge_dagster.orchestration").joinpath("dagster_home.yaml")
        write_whole(home / "dagster.yaml", settings.read_text(encoding="utf-8"))
    return home


def open_quiet_instance(forge: ForgeOnDisk) -> dg.DagsterInstance:
    """The forge's Dagster instance, without the capture of this process's output: a build's log goes to the event log."""
    no_capture = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
    reference = InstanceRef.from_dir(str(prepare_home(forge)), overrides={"compute_logs": no_capture})
    return dg.DagsterInstance.from_ref(reference)
