"""Who worked when, who waited for what, and which chain of needs makes a build as long as it is."""

from __future__ import annotations

from collections.abc import Iterable

from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.timeline import Ran, Timeline, make_timeline

NEEDS = {"b": ["a"], "c": ["a"], "d": ["b"], "e": []}


def timeline(**times: tuple[float, float]) -> Timeline:
    def needs(identity: VariantId) -> Iterable[VariantId]:
        return [VariantId(name) for name in NEEDS.get(identity.package, [])]

    found = make_timeline((Ran(VariantId(name), *span, "done") for name, span in times.items()), needs)
    assert found is not None
    return found


def test_no_runs_make_no_timeline() -> None:
    assert make_timeline([], lambda _: []) is None


def test_the_longest_chain_is_that_of_the_work_not_of_the_waiting() -> None:
    # e ends last, and needs nothing.
    found = timeline(a=(0, 10), b=(10, 12), c=(10, 30), d=(12, 14), e=(31, 40))
    assert [identity.package for identity in found.chain] == ["a", "c"]
    assert found.chain_seconds == 30


def test_runs_side_by_side_are_of_different_workers_and_runs_one_after_another_of_the_same() -> None:
    found = timeline(a=(0, 10), e=(0, 4), b=(10.1, 12), c=(10.2, 20))
    workers = {bar.ran.id.package: bar.worker for bar in found.bars}
    assert found.workers == 2
    assert workers["a"] != workers["e"]
    assert workers["b"] != workers["c"]


def test_waiting_for_what_one_needs_is_told_from_waiting_for_a_worker() -> None:
    found = timeline(a=(0, 10), b=(10, 15), c=(15, 20))
    bars = {bar.ran.id.package: bar for bar in found.bars}
    assert (bars["b"].ready, bars["b"].waited_for_worker) == (10, 0)
    assert (bars["c"].ready, bars["c"].waited_for_worker) == (10, 5)


def test_a_worker_is_idle_only_while_nothing_could_run() -> None:
    found = timeline(a=(0, 10), e=(0, 4), b=(12, 20))
    # One worker had nothing from the end of e. The other one could have run b two seconds before it did.
    assert [(idle.started, idle.ended) for idle in found.idle] == [(4, 20)]
    # With only one run after a, both wait for it.
    found = timeline(a=(0, 10), b=(10, 15), c=(10, 20))
    assert {(idle.started, idle.ended) for idle in found.idle} == {(0, 10), (15, 20)}
