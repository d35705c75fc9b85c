from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wvforge_dagster.core.circles import find_circles

GRAPHS = st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdef")), max_size=6).map(
    lambda graph: {name: graph.get(name, set()) for name in "abcdef"}
)


@given(GRAPHS)
def test_a_circle_is_one_and_goes_through_its_name(graph: dict[str, set[str]]) -> None:
    for name, circle in find_circles(graph).items():
        assert name in circle
        assert len(set(circle)) == len(circle)
        for one, other in zip(circle, [*circle[1:], circle[0]], strict=True):
            assert other in graph[one]


def test_two_circles_through_one_name_are_both_found() -> None:
    found = find_circles({"a": ["b"], "b": ["a", "c"], "c": ["a"], "d": ["a"]})
    assert found == {"a": ["a", "b"], "b": ["a", "b"], "c": ["c", "a", "b"]}
