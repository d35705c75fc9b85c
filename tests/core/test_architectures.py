from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from core.values import output
from wvforge_dagster.core.architectures import named_architectures


@pytest.mark.parametrize(
    ("script", "named"),
    [
        ({"env": {"TORCH_CUDA_ARCH_LIST": "8.0;9.0+PTX", "X": "7.0"}}, ("8.0", "9.0+PTX")),
        ({"env": {"CUDAARCHS": "80-virtual;90a"}}, ("80-virtual", "90a")),
        ({"content": "cmake -DCMAKE_CUDA_ARCHITECTURES='80;86' ."}, ("80", "86")),
        ("cmake -DCMAKE_CUDA_ARCHITECTURES=$ARCHS .", ()),
        ("make", ()),
        (None, ()),
    ],
)
def test_architectures_are_those_that_the_recipe_names(script: Any, named: tuple[str, ...]) -> None:
    plain = output("a")
    assert named_architectures(replace(plain, rendered={**plain.rendered, "build": {"script": script}})) == named
