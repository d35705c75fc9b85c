"""The templates, in which everything is escaped unless a template says otherwise; none does."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2

from wvforge_dagster.core.state import State
from wvforge_dagster.report import words
from wvforge_dagster.report.naming import anchor


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
        "made_from": words.made_from,
        "anchor": lambda partition: f"v-{anchor(partition or 'all')}",
    }
    environment.globals |= {
        "State": State,
        "MEANING": words.MEANING,
        "plural": words.plural,
        "variant_name": words.variant_name,
    }
    return environment
