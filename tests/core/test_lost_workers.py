"""A step counts as lost once its worker is silent, forgot it or ended it without a word, for long enough; and never sooner."""

from __future__ import annotations

import pytest

from wvforge_dagster.core.lost_workers import Seen, Watch

WAITS = Seen()
RUNS = Seen(worker="w", answers=True, has_it=True)
SILENT = Seen(worker="w")
FORGOT = Seen(worker="w", answers=True)
ENDED = Seen(ended=True)


def looks(*seen: tuple[float, Seen], lost_after: float = 30.0) -> list[str | None]:
    """What is said at each look, by its second."""
    watch = Watch(lost_after)
    return [watch.why_lost("step", each, now) for now, each in seen]


@pytest.mark.parametrize("fine", [WAITS, RUNS])
def test_what_waits_or_runs_is_never_lost(fine: Seen) -> None:
    assert looks((0, fine), (1e6, fine)) == [None, None]


def test_a_silent_worker_is_lost_after_the_seconds_that_are_set() -> None:
    found = looks((0, RUNS), (5, SILENT), (34.9, SILENT), (35, SILENT))
    assert found == [None, None, None, "the worker w has not answered for 30 s"]


def test_an_answer_in_between_begins_the_count_anew() -> None:
    assert looks((0, SILENT), (29, RUNS), (31, SILENT), (60, SILENT)) == [None] * 4


def test_a_worker_started_anew_has_lost_its_step() -> None:
    assert looks((0, FORGOT), (9, FORGOT), (10, FORGOT)) == [
        None,
        None,
        "the worker w was started anew, and has it no more",
    ]


@pytest.mark.parametrize(("said", "end"), [("", ""), ("exit 1", ": exit 1")])
def test_what_ended_without_its_events_is_lost(said: str, end: str) -> None:
    ended = Seen(ended=True, said=said)
    assert looks((0, ended), (10, ended)) == [None, f"its worker ended it without saying how{end}"]


@pytest.mark.parametrize("after", [ENDED, FORGOT])
def test_events_have_time_to_come_when_a_worker_ends_a_step_after_a_silence(after: Seen) -> None:
    assert looks((0, SILENT), (25, SILENT), (26, after), (35, after)) == [None] * 4
    assert looks((0, SILENT), (25, SILENT), (26, after), (36, after))[-1] is not None


def test_a_worker_that_forgot_a_step_and_is_silent_in_between_has_lost_it_all_the_same() -> None:
    assert looks((0, FORGOT), (5, SILENT), (10, FORGOT))[-1] is not None


def test_the_silence_of_one_worker_is_not_held_against_the_next() -> None:
    other = Seen(worker="v")
    assert looks((0, SILENT), (29, SILENT), (31, other), (60, other)) == [None] * 4


def test_no_patience_is_longer_than_what_is_set() -> None:
    assert looks((0, ENDED), (4, ENDED), lost_after=4.0)[-1] is not None


def test_each_step_has_its_own_count() -> None:
    watch = Watch(30.0)
    assert [watch.why_lost(step, SILENT, now) for step, now in (("a", 0), ("b", 29), ("b", 31))] == [None] * 3
    assert watch.why_lost("a", SILENT, 31) is not None
