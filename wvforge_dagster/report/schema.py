"""Prints the JSON schema of ``report.json``: ``python -m wvforge_dagster.report.schema > docs/report.schema.json``."""

from __future__ import annotations

import json
import sys

from wvforge_dagster.report.model import Report


def report_schema() -> str:
    """The JSON schema (2020-12) as text."""
    schema = Report.model_json_schema(mode="serialization")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "wvforge report"}
    return json.dumps(head | schema | {"title": "wvforge report"}, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(report_schema())
