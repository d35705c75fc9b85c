"""The matrix: packages by level, columns by dimension, each cell a package variant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from wvforge_dagster.core.state import State
from wvforge_dagster.report.model import Column, Package, Report, Variant
from wvforge_dagster.report.naming import place_of
from wvforge_dagster.report.words import DIMENSION_NAMES

WORDS_UP_TO = 8
"""Columns that have room for the state in a word; with more, cells show its sign, and the word is for readers of the text."""


ROWS_EACH = 50


@dataclass(frozen=True)
class Heading:
    """A heading over some columns."""

    text: str
    span: int


@dataclass(frozen=True)
class Cell:
    """A package variant over one or more columns; without a state where the package has none there.

    Attributes:
        place: its anchor on the package's page.
    """

    span: int
    state: State | None = None
    place: str = ""


@dataclass(frozen=True)
class Row:
    """A package."""

    package: Package
    cells: tuple[Cell, ...]
    chunk: int


@dataclass(frozen=True)
class Part:
    """Some packages of a level: a browser lays out what is on its screen, part by part."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Matrix:
    """Everything on the first page.

    Attributes:
        headings: a row for each dimension.
        parts: by level.
        retired: package variants that are in no column any more, with their packages.
        counts: how many package variants are in each state; states without any are left out.
    """

    headings: tuple[tuple[str, tuple[Heading, ...]], ...]
    parts: tuple[Part, ...]
    retired: tuple[tuple[Package, Variant], ...]
    counts: Mapping[State, int]
    width: int

    @property
    def is_long(self) -> bool:
        """Whether more than a few parts would be laid out for nothing."""
        return len(self.parts) > 8

    @property
    def is_wide(self) -> bool:
        return self.width > WORDS_UP_TO


def make_matrix(report: Report, chunk_of: Mapping[str, int]) -> Matrix:
    """
    Args:
        chunk_of: for each package the number of the file with its details.
    """
    columns = report.columns
    current = [package for package in report.packages if package.level is not None]
    rows = [Row(package, _cells(package, columns), chunk_of[package.name]) for package in current]
    found = Counter(variant.state for package in report.packages for variant in package.variants)
    return Matrix(
        headings=_headings(columns),
        parts=tuple(_parts(rows)),
        retired=tuple(
            (package, variant)
            for package in report.packages
            for variant in package.variants
            if variant.state is State.RETIRED
        ),
        counts={state: found[state] for state in State if found[state]},
        width=len(columns),
    )


def _parts(rows: Sequence[Row]) -> Iterator[Part]:
    for level, group in groupby(rows, key=lambda row: row.package.level or 0):
        mine = tuple(group)
        for start in range(0, len(mine), ROWS_EACH):
            yield Part(f"Level {level}" + (", continued" if start else ""), mine[start : start + ROWS_EACH])


def _headings(columns: Sequence[Column]) -> tuple[tuple[str, tuple[Heading, ...]], ...]:
    """Each dimension's values over the columns; what stands side by side under one value of the dimension before is one."""
    names = list(columns[0].values) if columns else []
    rows = []
    for depth, name in enumerate(names):
        groups = groupby(columns, key=lambda column: [column.values[each] for each in names[: depth + 1]])
        title = DIMENSION_NAMES.get(name, name)
        rows.append((title, tuple(Heading(key[-1], len(list(group))) for key, group in groups)))
    return tuple(rows)


def _cells(package: Package, columns: Sequence[Column]) -> tuple[Cell, ...]:
    variants = {variant.partition or "": variant for variant in package.variants}
    keys = ["|".join(column.values[name] for name in package.dimensions) for column in columns]
    cells = []
    for key, group in groupby(keys):
        span = len(list(group))
        variant = variants.get(key)
        cells.append(Cell(span, variant.state, place_of(variant.partition)) if variant else Cell(span))
    return tuple(cells)
