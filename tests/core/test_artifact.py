from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wvforge_dagster.core.artifact import Record
from wvforge_dagster.core.digest import digest

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
PARTITIONS = st.sampled_from(["", "3.12", "12.6|3.12"])


@given(st.dictionaries(st.text(), JSON, max_size=4), PARTITIONS, st.integers(0, 99))
def test_a_record_survives_being_carried(parts: dict[str, Any], partition: str, number: int) -> None:
    record = Record("cumm", partition, digest(parts), parts, parts, {"engine": "1"}, number, parts)
    carried = json.loads(json.dumps(record.to_extra()))
    found = Record.from_extra(carried)
    assert found == record
    assert found is not None
    assert found.parts == parts


def test_a_record_has_no_value_that_a_recipe_would_evaluate_or_drop() -> None:
    record = Record("a", "", "0" * 64, {"script": "echo ${{ name }}", "empty": ""})
    assert all(value and "${{" not in value for value in record.to_extra().values())


def test_undecodable_names_of_files_are_carried() -> None:
    record = Record("a", "", "0" * 64, {"files": {"caf\udce9": "1"}})
    assert Record.from_extra(record.to_extra()) == record


@pytest.mark.parametrize(
    "value",
    [None, "text", 3, [], {}, {"record": None}, {"record": "not base64!"}, {"record": "AAAA"}, {"digest": "abc"}],
)
def test_what_another_tool_wrote_is_no_record(value: Any) -> None:
    assert Record.from_extra(value) is None
