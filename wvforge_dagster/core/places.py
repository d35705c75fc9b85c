"""What a place has to offer that a package is built at: which queue it takes from, cores, memory, GPUs, which node.

It follows from the package's class and limits. Dagster's engines read it as tags (`orchestration.op_tags`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wvforge_dagster.core.classes import ClassSettings
from wvforge_dagster.core.limits import ALL_CORES, SomeLimits

OWN_MEMORY_GIB = 1
"""What the process of a step itself is given beside the build that it watches, in GiB."""


@dataclass(frozen=True)
class Place:
    """Where a step runs.

    Attributes:
        queue: of the workers that take it; the name of a class.
        cores: that are asked for; None where nothing says how many, or where it takes whatever the machine has.
        memory_gib: that are asked for, with the step's own process; None where nothing bounds the build.
        node_selector: labels that a Kubernetes node has to have.
        tolerations: of the node's taints.
    """

    queue: str
    cores: int | None = None
    memory_gib: int | None = None
    gpus: int = 0
    node_selector: Mapping[str, str] | None = None
    tolerations: tuple[Mapping[str, str | int], ...] = ()

    def resources(self) -> dict[str, dict[str, str]]:
        """As a container of Kubernetes has them. Cores and memory are limits too: builds are told of no more."""
        asked: dict[str, Any] = {"cpu": self.cores, "memory": self.memory_gib and f"{self.memory_gib}Gi"}
        if self.gpus:
            asked["nvidia.com/gpu"] = self.gpus
        found = {name: str(value) for name, value in asked.items() if value}
        return {"requests": found, "limits": dict(found)} if found else {}


def place_of(name: str, settings: ClassSettings, limits: SomeLimits) -> Place:
    """The place for builds of a package.

    Args:
        name: of its class.
        settings: of that class.
        limits: of the package.
    """
    return Place(
        queue=name,
        cores=limits.cores if limits.cores != ALL_CORES else None,
        memory_gib=math.ceil(limits.memory_gib) + OWN_MEMORY_GIB if limits.memory_gib else None,
        gpus=settings.gpus,
        node_selector=settings.node_selector,
        tolerations=settings.tolerations,
    )
