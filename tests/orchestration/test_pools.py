"""Dagster's pools follow from the classes of forge.yaml."""

from __future__ import annotations

from typing import Any

from small_forge import SmallForge

from wvforge_dagster.orchestration.assets import forge_assets
from wvforge_dagster.orchestration.instance import open_quiet_instance


def limits(forge: SmallForge, classes: dict[str, Any], *, by_hand: dict[str, int] | None = None) -> dict[str, int]:
    """The limits of pools once the storage is opened with these classes; then some are changed by hand."""
    forge.configure(channels=[], variants=[], classes=classes)
    with open_quiet_instance(forge.open()) as instance:
        found = {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}
        for name, limit in (by_hand or {}).items():
            instance.event_log_storage.set_concurrency_slots(name, limit)
    return found


def test_limits_follow_forge_yaml_and_what_was_changed_by_hand_stays(small_forge: SmallForge) -> None:
    assert limits(small_forge, {}, by_hand={"heavy": 4}) == {"heavy": 1, "gpu": 1}
    assert limits(small_forge, {"big": {"at_once": 3}}) == {"heavy": 4, "gpu": 1, "big": 3}
    assert limits(small_forge, {"big": {"at_once": 2}, "heavy": {"at_once": 2}}) == {"heavy": 2, "gpu": 1, "big": 2}
    assert limits(small_forge, {"gpu": {"at_once": 2}}) == {"heavy": 1, "gpu": 2}


def test_each_package_is_in_the_pool_of_its_class(small_forge: SmallForge) -> None:
    small_forge.configure(channels=[], variants=[], classes={"heavy": {"packages": ["h"]}, "odd": {}})
    for name in ("a", "h"):
        small_forge.package(name)
    small_forge.package("o", more="extra: {wvforge: {class: odd}}\n")
    assets = [asset for asset in forge_assets(small_forge.open()) if len(asset.key.path) == 1]
    pools = {asset.key.path[-1]: asset.op.pool for asset in assets}
    assert pools == {"a": "light", "h": "heavy", "o": "odd"}
    shown = {asset.key.path[-1]: asset.metadata_by_key[asset.key].get("class") for asset in assets}
    assert shown["h"] == "heavy (classes.heavy.packages has h)"
