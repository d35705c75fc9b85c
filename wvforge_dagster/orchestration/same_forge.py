"""Refusing work that was planned over another forge: a worker whose recipes differ would build something else."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

import dagster as dg

from wvforge_dagster.core.digest import digest
from wvforge_dagster.core.evidence import RecipeFiles
from wvforge_dagster.core.recipe import Output
from wvforge_dagster.orchestration.deployment import Deployment, deployment_of
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk

MADE_OF_TAG = "wvforge/made-of"
"""On each op of a package: the digest of what the package is made of, in the forge that the definitions were made from."""


def digests_of(forge: ForgeOnDisk, files: Mapping[str, RecipeFiles]) -> dict[str, str]:
    """For each package a digest of its recipe in all variants with its tests, its files and sources, of what it needs, and of
    the channels that it is built against."""
    channels = digest([str(channel) for channel in forge.forge.channels])
    found: dict[str, str] = {}
    for name, package in forge.catalog.packages.items():
        own = files.get(name)
        outputs = [_output_parts(output) for output in package.recipe.outputs] if package.recipe else []
        needed = [found.get(other, "") for other in package.needed_names]
        parts = [
            channels,
            package.fault,
            outputs,
            needed,
            dict(own.files) if own else {},
            dict(own.sources) if own else {},
        ]
        found[name] = digest(parts)[:16]
    return found


def _output_parts(output: Output) -> list[Any]:
    # Its tests and its GPU tests (among its own words) decide whether it is published.
    return [output.binding_digest, output.rendered.get("tests"), output.own]


def why_refused(package: str, planned: str | None, here: str | None) -> str | None:
    """Why a package is not made here, by its digests in the forge that a run was planned over, and in this one.

    Args:
        planned: None if the run's plan says nothing of it.
        here: None if this forge has no such package.

    Returns:
        One line; None if they agree.
    """
    if planned is None or planned == here:
        return None
    has = "does not have it" if here is None else f"makes it of {here}"
    return (
        f"{package}: refused on {socket.gethostname()}: the run was planned over a forge that makes it of {planned}, and the "
        f"one here {has}; bring the worker's forge to the commit of the run, or start the run anew"
    )


def refuse_other_work(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, forge: ForgeOnDisk, package: str, here: str
) -> None:
    """Refuse a step of a run that was planned over a forge which makes the package of something else.

    On one machine a run may go on over recipes that were changed since it was planned: there is one forge.

    Raises:
        dagster.Failure: with `why_refused`.
    """
    if deployment_of(forge) is Deployment.ONE_MACHINE:
        return
    op = context.op_execution_context
    planned = planned_tags(op.instance, op.run, op.get_step_execution_context().step.key)
    why = why_refused(package, planned.get(MADE_OF_TAG), here)
    if why is not None:
        raise dg.Failure(why, allow_retries=False)


def planned_tags(instance: dg.DagsterInstance, run: dg.DagsterRun, step_key: str) -> Mapping[str, str]:
    """The tags of a step in the plan that a run was made with; none if the storage has no such plan."""
    if run.execution_plan_snapshot_id is None:
        return {}
    plan = instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id)
    steps = {step.key: step for step in plan.steps}
    return steps[step_key].tags or {} if step_key in steps else {}
