"""A build over time: where a template draws a bar for each package variant, and what is between them."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from datetime import datetime

from wvforge_dagster.report import words
from wvforge_dagster.report.model import Bar, Build

_NARROWEST, _WIDEST = 1080.0, 2600.0
_LEFT, _RIGHT, _TOP = 70.0, 10.0, 6.0
_LANE, _BAR = 50.0, 40.0
_LETTER, _BOLD_LETTER = 6.3, 7.2
_LABEL = 76.0
_STEPS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400)
_TICK = 110.0


@dataclass(frozen=True)
class Drawn:
    """A bar. `labels` are its lines, as far as there is room for them."""

    bar: Bar
    x: float
    y: float
    width: float
    labels: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Gap:
    """Time in which a worker could do nothing."""

    x: float
    y: float
    width: float
    text: str


@dataclass(frozen=True)
class Tick:
    """A mark on the time axis."""

    x: float
    text: str


@dataclass(frozen=True)
class Lanes:
    """All of it, in units of an SVG's user space."""

    bars: tuple[Drawn, ...]
    gaps: tuple[Gap, ...]
    ticks: tuple[Tick, ...]
    workers: tuple[tuple[float, str], ...]
    width: float
    height: float
    axis: float
    bar_height: float = _BAR


def draw_lanes(build: Build) -> Lanes:
    """The lanes of all workers, the first one above; as wide as the names of most bars need, within limits."""
    length = max((build.ended - build.started).total_seconds(), 0.001)
    typical = statistics.median(_seconds(bar.started, bar.ended) for bar in build.bars)
    least = _NARROWEST - _LEFT - _RIGHT
    wanted = _LABEL / max(typical, 0.001) * length
    # A little too narrow for some names is better than to be moved to and fro.
    inner = least if wanted <= 1.3 * least else min(wanted, _WIDEST)
    scale = inner / length

    def x(at: datetime) -> float:
        return _LEFT + _seconds(build.started, at) * scale

    def y(worker: int) -> float:
        return _TOP + worker * _LANE

    drawn = []
    for bar in build.bars:
        width = max(x(bar.ended) - x(bar.started), 1.5)
        text = f"{words.variant_name(bar.package, bar.partition)}: {words.seconds(_seconds(bar.started, bar.ended))}"
        drawn.append(Drawn(bar, x(bar.started), y(bar.worker), width, tuple(_labels(bar, width)), text))
    gaps = tuple(
        Gap(
            x(idle.started),
            y(idle.worker),
            x(idle.ended) - x(idle.started),
            f"nothing could run for {words.seconds(_seconds(idle.started, idle.ended))}",
        )
        for idle in build.idle
    )
    axis = _TOP + build.workers * _LANE
    step = next((step for step in _STEPS if step * scale >= _TICK), length)
    ticks = tuple(
        Tick(_LEFT + step * position * scale, words.seconds(step * position) if position else "0")
        for position in range(int(length / step) + 1)
    )
    workers = tuple((y(worker) + _BAR / 2, f"worker {worker + 1}") for worker in range(build.workers))
    return Lanes(tuple(drawn), gaps, ticks, workers, _LEFT + inner + _RIGHT, axis + 26, axis)


def _seconds(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds()


def _labels(bar: Bar, width: float) -> list[str]:
    """The sign and the name, and below it the partition, shortened to the room that there is; nothing where that is none."""
    sign = ("✕ " if bar.outcome == "failed" else "") + ("★ " if bar.on_chain else "")
    letters = int((width - 10) / (_BOLD_LETTER if bar.on_chain else _LETTER))
    if letters < 1:
        return []
    if letters < 5:
        return [sign.strip()[:letters]] if sign else []
    return [_shortened(text, letters) for text in (sign + bar.package, bar.partition or "") if text]


def _shortened(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "…"
