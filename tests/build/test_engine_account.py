"""build.engine_account: what the engine says of a build, of an output's own environments and of inherited ones."""

from __future__ import annotations

import pytest

from wvforge_dagster.build.engine_account import dependencies_of, rendered_recipe
from wvforge_dagster.core.errors import ForgeError


def test_own_dependencies_come_before_inherited_ones() -> None:
    account = rendered_recipe(
        b"finalized_dependencies: {host: {specs: []}}\nfinalized_cache_dependencies: {build: {specs: [1]}}", "here"
    )
    assert dependencies_of(account) == ({"host": {"specs": []}}, {"build": {"specs": [1]}})


@pytest.mark.parametrize("content", [None, b"", b"finalized_dependencies:", b"[1]"])
def test_another_tools_package_has_none(content: bytes | None) -> None:
    assert dependencies_of(rendered_recipe(content, "here")) == ({}, {})


def test_a_broken_account_is_a_fault_that_names_the_place() -> None:
    with pytest.raises(ForgeError, match=r"^here: .*rendered_recipe\.yaml cannot be read"):
        rendered_recipe(b"a: [", "here")
