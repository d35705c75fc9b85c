from __future__ import annotations

import threading

import pytest
from small_forge import SmallForge

from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.locks import held_locks, variant_lock, wait_for_lock

GPU, PURE = VariantId("gpu", "12.6|3.12"), VariantId("pure")


@pytest.fixture
def forge(small_forge: SmallForge) -> ForgeOnDisk:
    small_forge.write("variants.yaml", "python: ['3.12']\ncuda_version: ['12.6']\n")
    small_forge.configure(channels=[], variants=["variants.yaml"])
    small_forge.package("pure")
    small_forge.recipe("gpu", "package: {name: gpu, version: '1'}\nrequirements: {host: [python, cuda-version]}\n")
    return small_forge.open()


def test_a_lock_is_seen_while_it_is_held(forge: ForgeOnDisk) -> None:
    assert held_locks(forge) == frozenset()
    with variant_lock(forge, GPU):
        assert held_locks(forge) == {GPU}
        with variant_lock(forge, PURE):
            assert held_locks(forge) == {GPU, PURE}
    assert held_locks(forge) == frozenset()


def test_a_lock_is_dropped_by_an_exception(forge: ForgeOnDisk) -> None:
    with pytest.raises(KeyError), variant_lock(forge, GPU):
        raise KeyError
    assert held_locks(forge) == frozenset()


def test_the_second_waits_for_the_first(forge: ForgeOnDisk) -> None:
    order: list[str] = []

    def second() -> None:
        with variant_lock(forge, GPU):
            order.append("second")

    def waiter() -> None:
        wait_for_lock(forge, GPU)
        order.append("waiter")

    threads = [threading.Thread(target=second), threading.Thread(target=waiter)]
    with variant_lock(forge, GPU):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(0.3)
        order.append("first")
    for thread in threads:
        thread.join(30)
    assert order[0] == "first"
    assert sorted(order) == ["first", "second", "waiter"]


def test_nobody_waits_for_what_was_never_built(forge: ForgeOnDisk) -> None:
    wait_for_lock(forge, VariantId("never"))
