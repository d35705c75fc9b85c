"""Drawings: nothing lies over anything else, and what is drawn is what is said."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import combinations

from report.reports import NOW, attempt, build, package, with_needed_by
from wvforge_dagster.report.graph_drawing import MOST_BOXES, Box, Drawing, draw_graph
from wvforge_dagster.report.model import Bar, Build, Package
from wvforge_dagster.report.plots import seconds_plot, size_plot
from wvforge_dagster.report.timeline_drawing import draw_lanes


def graph(of: str, *packages: Package) -> tuple[Drawing, dict[str, Box]]:
    found = with_needed_by(*packages)
    drawing = draw_graph(found[of], found)
    return drawing, {box.package.name: box for box in drawing.boxes}


DIAMOND = (
    package("a"),
    package("b", needs=("a",), level=1),
    package("c", needs=("a",), level=1),
    package("d", needs=("a", "b", "c"), level=2),
    package("other"),
)


def test_what_a_package_needs_is_on_its_left_and_what_needs_it_on_its_right() -> None:
    _, boxes = graph("b", *DIAMOND)
    assert set(boxes) == {"a", "b", "d"}
    assert boxes["a"].x + boxes["a"].width < boxes["b"].x < boxes["d"].x
    assert (boxes["a"].role, boxes["b"].role, boxes["d"].role) == ("needs", "self", "needed")


def test_no_two_boxes_touch_and_no_line_runs_through_a_box() -> None:
    drawing, boxes = graph("a", *DIAMOND)
    for one, other in combinations(boxes.values(), 2):
        apart = one.x + one.width < other.x or other.x + other.width < one.x
        assert apart or one.y + one.height < other.y or other.y + other.height < one.y
    assert len(drawing.lines) == 5
    for line in drawing.lines:
        for level, right in re.findall(r"([\d.]+)H([\d.]+)", line.path)[:-1]:
            middle = [box for box in boxes.values() if box.x <= float(right) <= box.x + box.width]
            assert not [box for box in middle if box.y <= float(level) <= box.y + box.height]


def test_of_a_package_with_many_relations_the_direct_ones_are_drawn_and_the_rest_is_counted() -> None:
    names = [f"p{number}" for number in range(60)]
    chain = [package(name, needs=(names[i - 1],) if i else (), level=i) for i, name in enumerate(names)]
    drawing, boxes = graph("p30", *chain)
    assert set(boxes) == {"p29", "p30", "p31"}
    assert drawing.left_out == 57
    star = [package("hub"), *(package(name, needs=("hub",), level=1) for name in names)]
    drawing, boxes = graph("hub", *star)
    assert len(boxes) == MOST_BOXES and "hub" in boxes
    assert drawing.left_out == 61 - MOST_BOXES


def test_plots_have_a_point_for_each_build_and_none_for_tests_alone() -> None:
    tests = attempt("13.0", 1).model_copy(update={"seconds": {"test": 2.0}})
    history = [attempt("13.0", 9), attempt("13.0", 5), attempt("12.6", 5), tests]
    for plot in (seconds_plot(history), size_plot(history)):
        assert plot is not None
        assert {one.name: len(one.points) for one in plot.series} == {"13.0": 2, "12.6": 1}
        for one in plot.series:
            assert all(
                plot.left <= point.x <= plot.right and plot.top <= point.y <= plot.bottom for point in one.points
            )
    assert seconds_plot([tests]) is None


def test_a_higher_value_is_higher_in_the_plot() -> None:
    plot = seconds_plot([attempt(None, 9), attempt(None, 1)])
    assert plot is not None
    first, second = plot.series[0].points
    assert first.x < second.x and first.y < second.y, "the first took longer"


def test_bars_lie_in_their_lanes_as_long_as_they_worked() -> None:
    made = build((package("a"), package("b"), package("c")))
    lanes = draw_lanes(made)
    a, b, c = lanes.bars
    assert a.width == b.width
    assert a.x + a.width < b.x
    assert {a.y, b.y, c.y} == {a.y}
    assert a.labels[0].startswith("★") and c.labels[0].startswith("✕")
    assert lanes.gaps[0].x >= a.x + a.width
    assert lanes.ticks[0].text == "0"


def test_a_build_of_thousands_of_bars_is_not_wider_than_a_page_can_bear() -> None:
    bars = tuple(
        Bar(
            package="p",
            partition=None,
            started=NOW + timedelta(seconds=number),
            ended=NOW + timedelta(seconds=number + 1),
            ready=NOW,
            worker=0,
            outcome="done",
            reason="",
            on_chain=False,
        )
        for number in range(3000)
    )
    made = Build(
        id="b", started=NOW, ended=bars[-1].ended, workers=1, worked=1, chain=(), chain_seconds=1, bars=bars, idle=()
    )
    lanes = draw_lanes(made)
    assert lanes.width < 3000
    assert len(lanes.ticks) < 40
