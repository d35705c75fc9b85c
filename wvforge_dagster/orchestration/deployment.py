"""What executes the steps of Dagster's runs: this machine, Celery workers, or pods of Kubernetes.

The assets, checks, jobs and sensors are the same objects in all of them; their ops bear tags that engines read (`op_tags`).
"""

from __future__ import annotations

from enum import Enum

import dagster as dg

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.forge import CONFIG_NAME
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.settings import DEPLOYMENT_VARIABLE, deployment_named


class Deployment(Enum):
    """Where steps run."""

    ONE_MACHINE = "one-machine"
    CELERY = "celery"
    KUBERNETES = "kubernetes"


_EXTRAS = {Deployment.CELERY: "farm", Deployment.KUBERNETES: "kubernetes"}


def deployment_of(forge: ForgeOnDisk) -> Deployment:
    """What WVFORGE_DEPLOYMENT says, else forge.yaml.

    Raises:
        ForgeError: if that is none of them.
    """
    named = deployment_named() or forge.forge.deployment
    try:
        return Deployment(named)
    except ValueError:
        known = ", ".join(deployment.value for deployment in Deployment)
        raise ForgeError(
            f"there is no deployment {named!r}", where=DEPLOYMENT_VARIABLE, remedy=f"take one of {known}"
        ) from None


def executor_of(forge: ForgeOnDisk) -> dg.ExecutorDefinition:
    """What executes the steps of this forge's runs.

    Raises:
        ForgeError: if what it takes is not installed.
    """
    deployment = deployment_of(forge)
    if deployment is Deployment.ONE_MACHINE:
        # Builds are processes of their own already. Dagster's executor of processes would load the forge anew for each
        # step, and leave a step, with the build below it, running when the run's process is killed.
        return dg.in_process_executor
    try:
        if deployment is Deployment.CELERY:
            from wvforge_dagster.orchestration.celery_steps import celery_steps_executor

            return celery_steps_executor
        from dagster_k8s import k8s_job_executor
    except ImportError as error:
        words = f"deployment {deployment.value} needs {error.name}, which is not installed"
        remedy = f"pip install 'wvforge-dagster[{_EXTRAS[deployment]}]'"
        raise ForgeError(words, where=f"{forge.root / CONFIG_NAME} or {DEPLOYMENT_VARIABLE}", remedy=remedy) from None
    return k8s_job_executor
