from __future__ import annotations

import json
from pathlib import Path

import jsonschema

from report.reports import package, report
from wvforge_dagster.report.model import Report
from wvforge_dagster.report.schema import report_schema

PUBLISHED = Path(__file__).parents[2] / "docs" / "report.schema.json"


def test_the_published_schema_is_that_of_the_report() -> None:
    again = "python -m wvforge_dagster.report.schema > docs/report.schema.json"
    assert PUBLISHED.read_text(encoding="utf-8") == report_schema(), again


def test_a_report_fulfils_the_published_schema_and_reads_back_as_it_was() -> None:
    made = report(package("a"), package("b", needs=("a",), level=1))
    text = made.model_dump_json()
    schema = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(text), schema)
    assert Report.model_validate_json(text) == made
