from __future__ import annotations

import pytest
from small_forge import SmallForge

from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.orchestration.failures import forget_failure, keep_failure, read_failures

FAILURE = Failure(FailureClass.TEST, "why ü", "d" * 64, "line\nline", "logs/a.log")


@pytest.mark.parametrize("partition", ["", "3.12", "12.6|3.12"])
def test_a_failure_is_kept_until_it_is_forgotten(small_forge: SmallForge, partition: str) -> None:
    forge, identity = small_forge.open(), VariantId("a", partition)
    keep_failure(forge, identity, FAILURE)
    assert read_failures(forge) == {identity: FAILURE}
    forget_failure(forge, identity)
    forget_failure(forge, identity)
    assert read_failures(forge) == {}


@pytest.mark.parametrize("damage", ["", "{}", "[]", '{"package": "a"}', "\x00"])
def test_a_damaged_record_of_a_failure_is_none(small_forge: SmallForge, damage: str) -> None:
    forge = small_forge.open()
    keep_failure(forge, VariantId("a"), FAILURE)
    keep_failure(forge, VariantId("b"), FAILURE)
    small_forge.write("output/failures/a/all.json", damage)
    assert list(read_failures(forge)) == [VariantId("b")]
