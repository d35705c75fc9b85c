"""What executes steps is what WVFORGE_DEPLOYMENT says, else forge.yaml; their ops say the same to every engine."""

from __future__ import annotations

import sys
from typing import Any

import dagster as dg
import pytest
from small_forge import SmallForge

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.orchestration.assets import forge_assets
from wvforge_dagster.orchestration.deployment import Deployment, deployment_of, executor_of
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.op_tags import (
    KUBERNETES_TAG,
    ON_LOSS,
    QUEUE_TAG,
    build_tags,
    class_tags,
    gpu_tags,
    on_loss,
    upload_tags,
)
from wvforge_dagster.orchestration.same_forge import MADE_OF_TAG
from wvforge_dagster.settings import DEPLOYMENT_VARIABLE


@pytest.fixture(autouse=True)
def none_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DEPLOYMENT_VARIABLE, raising=False)


def opened(forge: SmallForge, **keys: Any) -> ForgeOnDisk:
    forge.configure(channels=[], variants=[], **keys)
    return forge.open()


def test_the_variable_stands_above_forge_yaml_which_stands_above_one_machine(
    small_forge: SmallForge, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert deployment_of(opened(small_forge)) is Deployment.ONE_MACHINE
    forge = opened(small_forge, deployment="celery")
    assert deployment_of(forge) is Deployment.CELERY
    for said, found in (("", Deployment.CELERY), ("kubernetes", Deployment.KUBERNETES)):
        monkeypatch.setenv(DEPLOYMENT_VARIABLE, said)
        assert deployment_of(forge) is found


def test_a_deployment_that_there_is_not_is_a_fault_of_the_variable(
    small_forge: SmallForge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DEPLOYMENT_VARIABLE, "swarm")
    with pytest.raises(ForgeError) as fault:
        deployment_of(opened(small_forge))
    words = "WVFORGE_DEPLOYMENT: there is no deployment 'swarm'; take one of one-machine, celery, kubernetes"
    assert str(fault.value) == words


def test_each_deployment_has_its_executor(small_forge: SmallForge) -> None:
    for name, executor in (("one-machine", "in_process"), ("celery", "celery_steps"), ("kubernetes", "k8s")):
        if name == "kubernetes":
            pytest.importorskip("dagster_k8s")
        assert executor_of(opened(small_forge, deployment=name)).name == executor


@pytest.mark.parametrize(
    ("name", "lacks", "extra"), [("celery", "celery", "farm"), ("kubernetes", "dagster_k8s", "kubernetes")]
)
def test_what_is_not_installed_is_named_with_the_extra_that_brings_it(
    small_forge: SmallForge, monkeypatch: pytest.MonkeyPatch, name: str, lacks: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, lacks, None)
    monkeypatch.delitem(sys.modules, "wvforge_dagster.orchestration.celery_steps", raising=False)
    with pytest.raises(ForgeError) as fault:
        executor_of(opened(small_forge, deployment=name))
    assert f"deployment {name} needs {lacks}, which is not installed" in str(fault.value)
    assert str(fault.value).endswith(f"pip install 'wvforge-dagster[{extra}]'")


def test_steps_are_tried_again_on_a_farm_only(small_forge: SmallForge) -> None:
    small_forge.package("a")
    for name, wanted in (("one-machine", None), ("celery", ON_LOSS), ("kubernetes", ON_LOSS)):
        forge = opened(small_forge, deployment=name)
        assert on_loss(forge) == wanted
        assert {asset.op.retry_policy for asset in forge_assets(forge)} == {wanted}


def test_ops_bear_the_same_tags_whatever_executes_them(small_forge: SmallForge) -> None:
    small_forge.package("a")
    small_forge.package("h", more="extra: {wvforge: {class: heavy}}\n")
    found = []
    for name in ("one-machine", "celery", "kubernetes"):
        forge = opened(small_forge, deployment=name, classes={"heavy": {"cores": 8}})
        found.append({asset.key.to_user_string(): asset.op.tags for asset in forge_assets(forge)})
    assert found[0] == found[1] == found[2]
    queues = {key: tags[QUEUE_TAG] for key, tags in found[0].items()}
    assert queues == {"a": "light", "h": "heavy", "upload/a": "light", "upload/h": "light"}
    assert found[0]["h"][MADE_OF_TAG] == found[0]["upload/h"][MADE_OF_TAG] != found[0]["a"][MADE_OF_TAG]


def test_an_op_that_nothing_bounds_asks_kubernetes_for_nothing(small_forge: SmallForge) -> None:
    small_forge.package("a")
    forge = opened(small_forge)
    assert build_tags(forge, "a", "m") == upload_tags(forge, "m") == {QUEUE_TAG: "light", MADE_OF_TAG: "m"}
    assert class_tags(forge, "light") == {QUEUE_TAG: "light"}
    assert KUBERNETES_TAG in gpu_tags(forge, "m")


def test_kubernetes_reads_resources_and_nodes_out_of_the_tags(small_forge: SmallForge) -> None:
    job = pytest.importorskip("dagster_k8s.job")
    taint = {"key": "gpu", "operator": "Exists", "toleration_seconds": 60}
    of_class = {"node_selector": {"example.org/kind": "h100"}, "tolerations": [taint], "cores": 4, "memory_gib": 7.5}
    small_forge.package("a", more="extra: {wvforge: {class: gpu}}\n")
    forge = opened(small_forge, classes={"gpu": of_class})
    found = job.get_user_defined_k8s_config(build_tags(forge, "a", "m"))
    bounds = {"cpu": "4", "memory": "9Gi", "nvidia.com/gpu": "1"}
    assert found.container_config == {"resources": {"requests": bounds, "limits": bounds}}
    assert found.pod_spec_config == {"node_selector": {"example.org/kind": "h100"}, "tolerations": [taint]}


def test_an_op_can_bear_the_tags(small_forge: SmallForge) -> None:
    tags = class_tags(opened(small_forge, classes={"gpu": {"memory_gib": 2.0}}), "gpu", "m")
    dg.op(name="a", tags=tags)(lambda: None)
