from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from wvforge_dagster.core.schedule import Candidate, Machine, expected_seconds, remaining_chains, startable

DIAMOND = {"a": set(), "b": {"a"}, "c": {"a"}, "d": {"b", "c"}, "e": set()}


def test_a_chain_is_the_longest_way_to_the_end() -> None:
    seconds = {"a": 1.0, "b": 10.0, "c": 2.0, "d": 3.0, "e": 12.0}
    assert remaining_chains(DIAMOND, seconds) == {"a": 14, "b": 13, "c": 5, "d": 3, "e": 12}


def test_without_a_past_the_longest_chain_is_the_one_of_most_steps() -> None:
    seconds = expected_seconds(dict.fromkeys(DIAMOND, "light"), {})
    assert remaining_chains(DIAMOND, seconds) == {"a": 3, "b": 2, "c": 2, "d": 1, "e": 1}


def test_what_was_never_built_takes_as_long_as_others_of_its_class_or_else_as_others() -> None:
    kinds = {"a": "light", "b": "light", "c": "light", "d": "heavy", "e": "heavy", "f": "gpu"}
    found = expected_seconds(kinds, {"a": 2.0, "b": 4.0, "d": 600.0, "gone": 9999.0})
    assert found == {"a": 2, "b": 4, "c": 3, "d": 600, "e": 600, "f": 4}


GRAPHS = st.dictionaries(st.sampled_from(range(7)), st.sets(st.sampled_from(range(7))), max_size=7).map(
    lambda graph: {name: {other for other in graph.get(name, set()) if other < name} for name in range(7)}
)


@given(GRAPHS, st.lists(st.integers(1, 50), min_size=7, max_size=7))
def test_a_chain_is_as_long_as_it_and_the_longest_of_those_that_wait_for_it(
    graph: dict[int, set[int]], took: list[int]
) -> None:
    chains = remaining_chains(graph, dict(enumerate(map(float, took))))
    for name in graph:
        waiting = [chains[other] for other in graph if name in graph[other]]
        assert chains[name] == took[name] + max(waiting, default=0)


def light(name: str, seconds: float = 10, cores: int | None = None) -> Candidate:
    return Candidate(name, "light", cores, seconds)


def heavy(name: str, cores: int = 99, seconds: float = 100) -> Candidate:
    return Candidate(name, "heavy", cores, seconds)


def started(
    ready: Iterable[Candidate], running: Iterable[Candidate] = (), *, cores: int = 4, jobs: int = 2
) -> dict[str, int]:
    machine = Machine(cores, jobs, {"heavy": 1})
    return {candidate.name: given for candidate, given in startable([*ready], running, machine)}


def test_builds_share_the_cores_that_there_are() -> None:
    assert started([light("a"), light("b"), light("c")]) == {"a": 2, "b": 2}
    assert started([light("a"), light("b"), light("c")], jobs=3) == {"a": 1, "b": 1, "c": 2}
    assert started([light("a"), light("b")], cores=1) == {"a": 1}


def test_one_that_has_nobody_beside_it_gets_every_core() -> None:
    assert started([light("a")], cores=16) == {"a": 16}
    assert started([light("a"), heavy("h")], cores=16) == {"a": 16}
    assert started([light("b")], [light("a", cores=10)], cores=16) == {"b": 6}


def test_one_that_takes_all_cores_runs_alone() -> None:
    assert started([heavy("h"), light("a"), light("b")]) == {"h": 4}
    assert started([light("a")], [heavy("h", cores=4)]) == {}
    assert started([heavy("h", cores=3), light("a"), light("b")], jobs=3) == {"h": 3, "a": 1}


def test_of_a_class_no_more_run_at_once_than_it_says() -> None:
    assert started([heavy("h", cores=1), heavy("i", cores=1), light("a")], jobs=3) == {"h": 1, "a": 3}
    assert started([heavy("i", cores=1), light("a")], [heavy("h", cores=1)]) == {"a": 3}


def test_who_waits_for_cores_is_not_passed_by_what_would_hold_it_up() -> None:
    running = [light("r", seconds=30, cores=2)]
    assert started([heavy("h"), light("long", seconds=31), light("short", seconds=30)], running) == {"short": 2}
    assert started([heavy("h"), light("long", seconds=31)], running) == {}
    assert started([heavy("h"), light("any", seconds=1)], [light("late", seconds=0, cores=2)]) == {}


CANDIDATES = st.lists(
    st.builds(
        Candidate,
        st.integers(0, 99),
        st.sampled_from(["light", "heavy"]),
        st.none() | st.integers(1, 9),
        st.floats(0, 100),
    ),
    max_size=6,
    unique_by=lambda one: one.name,
)


@given(CANDIDATES, st.integers(1, 8), st.integers(1, 4))
def test_no_more_is_given_than_there_is_and_something_always_starts(
    ready: list[Candidate], cores: int, jobs: int
) -> None:
    chosen = startable(ready, [], Machine(cores, jobs, {"heavy": 1}))
    assert sum(given for _, given in chosen) <= cores
    assert len(chosen) <= jobs
    assert sum(candidate.kind == "heavy" for candidate, _ in chosen) <= 1
    assert all(given >= min(candidate.cores or 1, cores) for candidate, given in chosen)
    assert bool(chosen) == bool(ready)


def test_the_order_of_what_is_ready_is_kept() -> None:
    for order in permutations([light("a"), light("b"), light("c")]):
        assert [*started(order, cores=2)] == [candidate.name for candidate in order[:2]]
