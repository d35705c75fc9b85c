"""What Dagster's engines are told of an op: the queue of Celery's workers that take it, the resources that Kubernetes gives it.

They are there whatever executes it, so that the assets are the same objects everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import dagster as dg

from wvforge_dagster.core.classes import GPU, LIGHT
from wvforge_dagster.core.places import Place, place_of
from wvforge_dagster.orchestration.deployment import Deployment, deployment_of
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.same_forge import MADE_OF_TAG

QUEUE_TAG = "dagster-celery/queue"
KUBERNETES_TAG = "dagster-k8s/config"

ON_LOSS = dg.RetryPolicy(max_retries=2, delay=5)
"""For steps whose worker or pod was lost, or whose end Dagster's storage did not take. Faults of a package are no such thing:
they are `dagster.Failure`, and allow no retries."""


def on_loss(forge: ForgeOnDisk) -> dg.RetryPolicy | None:
    """`ON_LOSS`; none on one machine, where a step is lost with its run."""
    return None if deployment_of(forge) is Deployment.ONE_MACHINE else ON_LOSS


def build_tags(forge: ForgeOnDisk, package: str, made_of: str) -> dict[str, str]:
    """Of the op that builds a package."""
    name = forge.class_of(package).name
    return {**_tags(place_of(name, forge.forge.classes[name], forge.limits_of(package))), MADE_OF_TAG: made_of}


def class_tags(forge: ForgeOnDisk, name: str, made_of: str | None = None) -> dict[str, str]:
    """Of an op that is none of a package's build, in the place of a class."""
    settings = forge.forge.classes[name]
    tags = _tags(place_of(name, settings, settings))
    return tags if made_of is None else {**tags, MADE_OF_TAG: made_of}


def upload_tags(forge: ForgeOnDisk, made_of: str) -> dict[str, str]:
    """Of the op that publishes a package."""
    return class_tags(forge, LIGHT, made_of)


def gpu_tags(forge: ForgeOnDisk, made_of: str) -> dict[str, str]:
    """Of the op that runs a package's GPU tests."""
    return class_tags(forge, GPU, made_of)


def _tags(place: Place) -> dict[str, str]:
    container: Mapping[str, Any] = {"resources": place.resources()} if place.resources() else {}
    pod: dict[str, Any] = {}
    if place.node_selector:
        pod["node_selector"] = dict(place.node_selector)
    if place.tolerations:
        pod["tolerations"] = [dict(item) for item in place.tolerations]
    config = {name: value for name, value in (("container_config", container), ("pod_spec_config", pod)) if value}
    tags = {QUEUE_TAG: place.queue}
    if config:
        tags[KUBERNETES_TAG] = json.dumps(config)
    return tags
