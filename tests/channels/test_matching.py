from __future__ import annotations

import pytest

from wvforge_dagster.channels.matching import fulfils, version_order
from wvforge_dagster.channels.protocol import ChannelEntry


def entry(version: str = "1.10", build: str = "py312h1_2") -> ChannelEntry:
    return ChannelEntry("linux-64", f"a-{version}-{build}.conda", "a", version, build, 2, "0" * 64, 1)


@pytest.mark.parametrize("spec", ["a", "a >=1.9,<2", "a 1.10.*", "a ==1.10 py312h1_2", "a 1.10 *_2", "a >=1|<0.5"])
def test_specs_as_packages_have_them_are_understood(spec: str) -> None:
    assert fulfils(spec, entry())


@pytest.mark.parametrize("spec", ["b", "a >=2", "a 1.1.*", "a ==1.10 py312h1_3", "a <1.10"])
def test_what_does_not_fit_does_not_fulfil(spec: str) -> None:
    assert not fulfils(spec, entry())


def test_a_spec_that_nobody_understands_is_fulfilled_so_that_nothing_goes_by_it() -> None:
    assert fulfils("a >=", entry())


def test_versions_are_ordered_as_solvers_order_them() -> None:
    assert version_order(entry("1.9")) < version_order(entry("1.10"))
