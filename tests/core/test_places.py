"""What is asked of the place of a build follows from its class and limits."""

from __future__ import annotations

from typing import Any

import pytest

from wvforge_dagster.core.forge import Forge
from wvforge_dagster.core.places import OWN_MEMORY_GIB, Place, place_of


def place(name: str, classes: dict[str, Any] | None = None, **limits: Any) -> Place:
    """Of a package `p` of this class."""
    forge = Forge.model_validate({"classes": classes or {}, "limits": limits})
    settings = forge.classes[name]
    return place_of(name, settings, forge.limits.of("p", settings))


def test_the_queue_is_the_class_and_nothing_is_asked_that_nothing_says() -> None:
    assert place("light") == Place("light", node_selector={})
    assert place("light").resources() == {}


def test_all_cores_is_no_number_of_cores() -> None:
    assert place("heavy").cores is None
    assert place("heavy", {"heavy": {"cores": 8}}).cores == 8
    assert "cpu" not in place("heavy", {"heavy": {"memory_gib": 1.0}}).resources()["limits"]


@pytest.mark.parametrize(("given", "whole"), [(4.0, 4), (3.2, 4), (0.1, 1)])
def test_memory_is_whole_gib_with_that_of_the_step_itself(given: float, whole: int) -> None:
    found = place("light", memory_gib=given)
    assert found.memory_gib == whole + OWN_MEMORY_GIB
    assert found.resources()["limits"] == {"memory": f"{whole + OWN_MEMORY_GIB}Gi"}


def test_what_is_asked_for_is_the_bound_too() -> None:
    found = place("gpu", {"gpu": {"cores": 2, "gpus": 2}}).resources()
    assert found == {kind: {"cpu": "2", "nvidia.com/gpu": "2"} for kind in ("requests", "limits")}


def test_the_class_gpu_asks_for_one() -> None:
    assert place("gpu").resources()["limits"] == {"nvidia.com/gpu": "1"}
    assert place("gpu", {"gpu": {"gpus": 0}}).resources() == {}


def test_limits_of_the_package_stand_above_those_of_its_class() -> None:
    found = place("heavy", {"heavy": {"cores": 8, "memory_gib": 4.0}}, packages={"p": {"cores": 2}})
    assert (found.cores, found.memory_gib) == (2, 5)


def test_nodes_are_those_of_the_class() -> None:
    taint: dict[str, str | int] = {"key": "gpu", "operator": "Exists"}
    found = place("gpu", {"gpu": {"node_selector": {"kind": "h100"}, "tolerations": (taint,)}})
    assert (found.node_selector, found.tolerations) == ({"kind": "h100"}, (taint,))
