"""The pods that dagster-k8s submits for steps, with deploy/kubernetes/values.yaml and what forge.yaml says of classes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import kubernetes_validate
import pytest
import yaml
from dagster._core.execution.api import create_execution_plan
from dagster_k8s import K8sRunLauncher
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import construct_dagster_k8s_job, get_user_defined_k8s_config
from kubernetes.client import ApiClient
from small_forge import SmallForge

from wvforge_dagster.orchestration.asset_specs import op_name
from wvforge_dagster.orchestration.code_location import forge_definitions
from wvforge_dagster.orchestration.keys import BUILD

VALUES = Path(__file__).parents[2] / "deploy" / "kubernetes" / "values.yaml"
VERSIONS = ("1.30", "1.33")

CLASSES: dict[str, Any] = {
    "light": {"cores": 2, "memory_gib": 4},
    "heavy": {
        "packages": ["h"],
        "cores": 16,
        "memory_gib": 63.5,
        "node_selector": {"pool": "builders"},
        "tolerations": [{"key": "builders", "operator": "Exists", "effect": "NoSchedule"}],
    },
    "gpu": {"packages": ["g"], "cores": 4, "memory_gib": 15, "node_selector": {"nvidia.com/gpu.present": "true"}},
}


def launcher(folder: Path) -> K8sRunLauncher:
    """As the chart makes it of the shipped values; it talks to no cluster until it launches something."""
    values = yaml.safe_load(VALUES.read_text())
    given = values["runLauncher"]["config"]["k8sRunLauncher"]
    cluster = {"name": "none", "cluster": {"server": "https://127.0.0.1:1"}}
    context = {"name": "none", "context": {"cluster": "none", "user": "none"}}
    config = {
        "clusters": [cluster],
        "users": [{"name": "none", "user": {}}],
        "contexts": [context],
        "current-context": "none",
    }
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))
    return K8sRunLauncher(
        load_incluster_config=False,
        kubeconfig_file=str(folder / "kubeconfig"),
        service_account_name="dagster",
        instance_config_map="dagster-instance",
        dagster_home="/opt/dagster/dagster_home",
        postgres_password_secret=values["global"]["postgresqlSecretName"],
        image_pull_policy=given["imagePullPolicy"],
        env_secrets=[secret["name"] for secret in given["envSecrets"]],
        volumes=given["volumes"],
        volume_mounts=given["volumeMounts"],
        resources=given["resources"],
    )


def step_tags(forge: SmallForge, name: str) -> Mapping[str, str]:
    """Of the step that builds a package, in the plan of a run, as the executor gets them."""
    opened = forge.open()
    repository = forge_definitions(opened).get_repository_def()
    job = repository.get_implicit_job_def_for_assets([dg.AssetKey(name)])
    assert job is not None
    steps = {step.key: step for step in create_execution_plan(job).get_all_steps_in_topo_order()}
    return steps[op_name(BUILD, name, opened.catalog)].tags


def submitted(forge: SmallForge, folder: Path, name: str) -> dict[str, Any]:
    """The job that k8s_job_executor's step handler makes of it."""
    launches = launcher(folder)
    image = yaml.safe_load(VALUES.read_text())["dagster-user-deployments"]["deployments"][0]["image"]
    context = K8sContainerContext.create_for_run(
        dg.DagsterRun(job_name="__ASSET_JOB", run_id="r"), launches, include_run_tags=False
    ).merge(K8sContainerContext(run_k8s_config=get_user_defined_k8s_config(step_tags(forge, name))))
    job = construct_dagster_k8s_job(
        job_config=context.get_k8s_job_config(f"{image['repository']}:{image['tag']}", launches),
        args=["dagster", "api", "execute_step"],
        job_name=f"dagster-step-{name}",
        pod_name=f"dagster-step-{name}",
        component="step_worker",
        user_defined_k8s_config=context.run_k8s_config,
        labels={"dagster/op": name},
    )
    found: dict[str, Any] = ApiClient().sanitize_for_serialization(job)
    return found


@pytest.fixture
def forge(small_forge: SmallForge) -> SmallForge:
    small_forge.configure(channels=[], variants=[], classes=CLASSES)
    for name in ("l", "h", "g"):
        small_forge.package(name)
    return small_forge


@pytest.mark.parametrize(
    ("name", "resources", "nodes"),
    [
        ("l", {"cpu": "2", "memory": "5Gi"}, None),
        ("h", {"cpu": "16", "memory": "65Gi"}, {"pool": "builders"}),
        ("g", {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": "1"}, {"nvidia.com/gpu.present": "true"}),
    ],
)
def test_a_step_is_a_valid_pod_with_what_its_class_says(
    forge: SmallForge, tmp_path: Path, name: str, resources: dict[str, str], nodes: dict[str, str] | None
) -> None:
    job = submitted(forge, tmp_path, name)
    for version in VERSIONS:
        kubernetes_validate.validate(job, version, strict=True)
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["resources"] == {"requests": resources, "limits": resources}
    assert pod.get("nodeSelector") == nodes
    assert pod.get("tolerations", []) == ([dict(CLASSES["heavy"]["tolerations"][0])] if name == "h" else [])
    assert {"secretRef": {"name": "wvforge-keys"}} in container["envFrom"]
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert "/srv/forge/output" in mounted


def test_a_pod_that_is_no_pod_is_found_out(forge: SmallForge, tmp_path: Path) -> None:
    """The schemas that the other test asks say no to something."""
    job = submitted(forge, tmp_path, "l")
    job["spec"]["template"]["spec"]["nodeSelector"] = ["pool"]
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job, VERSIONS[0], strict=True)
