"""The templates, in which everything is escaped unless a template says otherwise; none does."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup, escape

from wvforge_dagster.report import words
from wvforge_dagster.report.naming import place_of
from wvforge_dagster.report.plots import SHAPES, Series


def render(template: str, **values: Any) -> str:
    """A page by its template. A name that the template uses and is not given is an error."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("wvforge_dagster.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "size": words.size,
        "seconds": words.seconds,
        "phases": words.phases,
        "day": words.day,
        "moment": words.moment,
        "column_name": words.column_name,
        "marks": _marks,
        "made_from": words.made_from,
        "place": place_of,
    }
    environment.globals |= {
        "SHAPES": SHAPES,
        "MEANING": words.MEANING,
        "plural": words.plural,
        "variant_name": words.variant_name,
    }
    return environment


def _marks(series: Series) -> Markup:
    """The points of a series. A template takes three times as long, and a forge has tens of thousands."""
    shape = SHAPES[series.sign]
    return Markup(
        "".join(
            f'<path class="p" transform="translate({point.x} {point.y})" d="{shape}"><title>{escape(point.text)}</title></path>'
            for point in series.points
        )
    )
